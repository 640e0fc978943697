"""One training run of the tests' small data set, by itself or under torchrun."""

import json
import os
import signal
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

from harmonic.learning import loop
from harmonic.learning.batches import channel_statistics
from harmonic.learning.checkpoint import save_checkpoint
from harmonic.learning.processes import joined
from harmonic.nn.networks import build_network
from tests.learning.conftest import RECIPE, SCHEDULE, coloured


def main(folder: Path, batch_norm: str, killed_after: int) -> None:
    """Write state, history and the epochs that were taken over, of the first process alone.

    After `killed_after` epochs the leader, having saved its checkpoint, is killed; never if 0.
    """
    images = coloured(83, 0, "train")  # the last batch has 3 images: unequal shares
    changed = {
        "precision": "float32",
        "optimizer": "sgd",
        "imbalance": "class_weights",
        "label_smoothing": 0.05,
        "erasing": 0.2,
        "mixup": 0.2,
        "cutmix": 1.0,
    }

    def save_and_die(path: Path, progress: object, *state: object) -> None:
        save_checkpoint(path, progress, *state)  # type: ignore[arg-type]
        if len(progress.history) == killed_after:  # type: ignore[attr-defined]
            os.kill(os.getpid(), signal.SIGKILL)

    if killed_after:
        loop.save_checkpoint = save_and_die  # type: ignore[assignment]
    torch.manual_seed(0)
    with joined("cpu") as processes:
        trained = loop.train(
            build_network("small", width=8, batch_norm=batch_norm),
            images,
            coloured(42, 1, "val"),
            channel_statistics(images.images),
            RECIPE.model_copy(update=changed),
            SCHEDULE.model_copy(update={"epochs": 2, "lr": 0.02, "ema": 0.5}),
            processes,
            folder / "checkpoint",
        )
        if processes.leads:
            save_file(trained.state, folder / "state")
            found = {"history": trained.history, "resumed_after": trained.resumed_after}
            (folder / "found.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
