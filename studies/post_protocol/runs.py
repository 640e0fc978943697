"""From a pair of draws to the folder of its run."""

import sys
import time
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.evaluation.run_folder import keep_truth
from harmonic.learning.device import choose_device
from studies.data import claimed
from studies.post_protocol.protocol import (
    BATCH_SIZE,
    LR,
    PARTS,
    WEIGHT_DECAY,
    independent_draws,
    run_draw,
)
from studies.runner import Places, Planned, is_finished, keep, work_folder

IMAGE_SIZE = 64


def planned(draw: int, epochs: int) -> Planned:
    overrides = {
        "source": "archive",
        "seed": draw,
        "image_size": IMAGE_SIZE,
        "epochs": epochs,
        "lr": LR,
        "batch_size": BATCH_SIZE,
        "remove_hair.method": "none",
        "train.network": "post",
        "train.precision": "bfloat16",
        "train.optimizer": "adam",
        "train.weight_decay": WEIGHT_DECAY,
        "evaluate.views": 1,
    }
    return Planned(
        "post-protocol", "harmonic", draw, None, overrides, own={"post_protocol.draw": draw}
    )


def do(run: Planned, data: LabelledImages, digest: str, device_name: str, places: Places) -> str:
    """Do one run unless its folder is there; returns what happened, in a few words."""
    if is_finished(run, places.runs, digest):
        return "is there"
    folder = work_folder(run, places.work, digest)
    with claimed(folder) as mine:
        if not mine:
            return "another process is at it"
        draws = independent_draws(data.groups, run.seed)
        device, started = choose_device(device_name), time.perf_counter()
        checkpoint = folder / "checkpoint.safetensors"
        begun_before = checkpoint.exists()
        history, answers = run_draw(
            data,
            draws,
            run.seed,
            run.overrides["epochs"],
            device,
            checkpoint,
            partial(say, run.seed),
        )
        epochs = pd.DataFrame(history)
        best = epochs.loc[epochs.precision.idxmax()]
        names, rows = np.array(CLASSES), draws.answered
        truth = {
            "image": data.image_ids,
            "lesion_id": data.groups,
            "dx": names[data.labels],
        }
        keep_truth(places.runs, digest, pd.DataFrame(truth))
        record = {
            "device": device.type,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "seconds": None if begun_before else round(time.perf_counter() - started),
            "epochs": len(epochs),
            "best_epoch": int(best.epoch),
        }
        table = pd.DataFrame(
            {
                "image": data.image_ids[rows],
                "answer": names[answers],
                "part": draws.part,
                "in_test": draws.in_test.astype(int),
            }
        )
        figures = {name: float(best[name]) for name in ("precision", "recall", *PARTS)}
        tree = run.params(places.archive)
        keep(run, places, tree, digest, record, figures, epochs, table)
        checkpoint.unlink()
    return f"the post's precision {best.precision:.3f}, unseen lesions {best.unseen:.3f}"


def say(draw: int, record: dict[str, Any]) -> None:
    print(
        f"post-protocol: draw {draw}, epoch {record['epoch']}: loss {record['loss']:.3f}, "
        f"the post's precision {record['precision']:.3f}, unseen lesions {record['unseen']:.3f}",
        file=sys.stderr,
    )
