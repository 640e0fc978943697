"""Train: one network, on a GPU where there is one; the validation set chooses the epoch and
the calibration.

data/images.npy, data/split.csv  ->  models/model.safetensors   weights and all that is needed to
                                                                use them
                                     models/history.csv         a row an epoch
                                     models/first_batch.png     what the network sees first
"""

import sys
from functools import partial

import torch

from harmonic.data.arrays import data_digest, read_labelled_images
from harmonic.learning.fit import FIRST_BATCH, HISTORY, MODEL, fit
from harmonic.learning.memory import peak_memory
from stages.harness.exact import device_of
from stages.harness.stage import Stage, run_stage
from stages.training import plan_of


def work(stage: Stage) -> None:
    params = stage.params
    own = int(stage.partial.name, 16) >> 4
    fitted = fit(
        plan_of(params),
        read_labelled_images(stage.reads.images, stage.reads.split, needed=("train", "val")),
        stage.partial,
        device=device_of(params),
        digest=data_digest(stage.reads.images, stage.reads.split),
        check=lambda processes: processes.check_same(own, "parameters, data or code"),
        growing=stage.places.history,  # to be watched while it grows: `dvc plots show`
    )
    if fitted is None:
        return
    for written, place in zip((MODEL, HISTORY, FIRST_BATCH), WRITES, strict=True):
        (stage.partial / written).rename(getattr(stage.writes, place))
    trained, device = fitted.trained, fitted.processes.device
    stage.log["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    stage.log["images_per_second"] = round(trained.images_per_second, 1)
    stage.log["processes"] = fitted.processes.count
    stage.log["peak_memory_bytes"] = peak_memory(device)
    stage.log["resumed_after_epoch"] = trained.resumed_after
    stage.log["threads"] = torch.get_num_threads()
    best = fitted.history[fitted.history.epoch == trained.best_epoch].iloc[0]
    print(
        f"train: {params.model}, epoch {trained.best_epoch} of {params.epochs} chosen, "
        f"balanced accuracy on validation {best.val_balanced_accuracy:.3f}"
    )


READS, WRITES = ["images", "split"], ["model", "history", "first_batch"]
main = partial(run_stage, "train", work, reads=READS, writes=WRITES, several=True)

if __name__ == "__main__":
    sys.exit(main())
