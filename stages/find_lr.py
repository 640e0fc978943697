"""Find lr: sweep the learning rate over a few hundred steps; evidence beside the chosen `lr`.

data/images.npy, data/split.csv  ->  reports/lr_range/curve.csv         step, lr, loss
                                     reports/lr_range/suggestion.json   never taken over by itself
"""

import sys
from functools import partial

import pandas as pd
import torch

from harmonic.data.arrays import read_labelled_images
from harmonic.files import write_json
from harmonic.learning.batches import channel_statistics
from harmonic.learning.device import choose_device
from harmonic.learning.lr_range import sweep_rates
from harmonic.learning.randomness import derived_seed
from harmonic.nn.networks import build_network
from stages.harness.exact import device_of
from stages.harness.stage import Stage, run_stage
from stages.training import conv_of, network_options, recipe_of


def work(stage: Stage) -> None:
    params = stage.params
    needed = ("train", "val")
    data = read_labelled_images(stage.reads.images, stage.reads.split, needed)
    training = data.part("train")
    torch.manual_seed(derived_seed(params.seed))
    model = build_network(params.train.network, conv=conv_of(params), **network_options(params))
    sweep = sweep_rates(
        model,
        training,
        channel_statistics(training.images),
        recipe_of(params),
        choose_device(device_of(params)),
        lowest=params.find_lr.lowest,
        highest=params.find_lr.highest,
        steps=params.find_lr.steps,
    )
    folder = stage.writes.lr_range
    folder.mkdir(exist_ok=True)
    curve = pd.DataFrame({"lr": sweep.lr, "loss": sweep.loss, "smoothed_loss": sweep.smoothed_loss})
    curve.round(9).to_csv(folder / "curve.csv", index_label="step", lineterminator="\n")
    found = {
        "suggested_lr": sweep.suggested_lr(),
        "steepest_lr": sweep.steepest_lr(),
        "diverged_lr": sweep.diverged_lr(),
    }
    write_json(folder / "suggestion.json", found)
    print(
        f"find_lr: suggested {found['suggested_lr']:.2g} (steepest at {found['steepest_lr']:.2g}), "
        "evidence beside the parameter lr, which training takes"
    )


main = partial(run_stage, "find_lr", work, reads=["images", "split"], writes=["lr_range"])

if __name__ == "__main__":
    sys.exit(main())
