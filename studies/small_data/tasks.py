"""What is to be run: GEM's recipe in sizes, the search, and the runs with what the search found.

One budget of steps for every size of training set, in whole epochs, so that fewer images never mean
less training. The last epoch counts. Validation images are watched all along; of more than 50
images a class some are trained on.
"""

import math
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import balanced_accuracy_score

from harmonic.data.arrays import LabelledImages
from harmonic.data.metadata import read_index
from harmonic.errors import InputError
from harmonic.learning.fit import Fitted
from stages.harness.params import Params
from studies.data import images_of, logits_of, overridden
from studies.preset_runs import best_of
from studies.presets import Overrides
from studies.runner import Measure, Outcome, Places, Planned
from studies.small_data.arms import ARMS
from studies.small_data.splits import LARGEST, TRAINING, Split, drawn, published

GEMS: Overrides = {
    "epochs": 14,  # of params.yaml, once; the steps of a preset say how long a run trains
    "train.schedule": "cosine",
    "train.warmup": 0.0,
    "train.clip": 1000.0,
    "train.ema": 0.0,
    "train.imbalance": "none",
    "train.colour": 0.0,
    "evaluate.views": 1,
}
AS_GEM = {"moves": "crops", "nesterov": False, "decay_all": True}
"""SGD with momentum and decay as plain as torch has them."""


@dataclass(frozen=True)
class Preset:
    """The size of everything, alike for every arm."""

    image_size: int
    network: str
    options: dict[str, Any]
    batch_size: int
    steps: int
    search_steps: int


PRESETS = {
    "small": Preset(64, "small", {"width": 32, "blocks": 1}, 32, steps=875, search_steps=350),
    "full": Preset(224, "resnet-50", {}, 16, steps=17500, search_steps=4000),
}
RATES = (0.01, 0.03, 0.1)
DECAYS = (0.001, 0.01)
SEARCH = "studies small-data search"


def runs(options: Namespace, places: Places) -> list[Planned]:
    """The search, or the runs with what it found, on three splits."""
    arms = options.arms or list(ARMS)
    for arm in arms:
        if arm not in ARMS:
            raise InputError(f"--arms {arm} is unknown; there are {', '.join(ARMS)}")
    size = PRESETS[options.preset].image_size
    base = {"source": "archive", "archive": str(places.archive), "image_size": size}
    images = images_of(places.work, overridden(base))
    index = read_index(images.place / "index.csv")
    splits = [
        published(index, options.gem, number) if options.gem else drawn(index, number)
        for number in range(3)
    ]
    if options.what == "search":
        found = search_runs(options.preset, arms, splits[0])
    else:
        found = final_runs(options, arms, splits, images.read().labels)
    return [replace(run, images=images) for run in found]


def search_runs(preset: str, arms: Sequence[str], split: Split) -> list[Planned]:
    """Every learning rate and weight decay for every arm, on one split, without its test."""
    return [
        planned(preset, arm, split, 0, {"lr": lr, "train.weight_decay": decay})
        for lr, decay, arm in product(RATES, DECAYS, arms)
    ]


def final_runs(
    options: Namespace, arms: Sequence[str], splits: Sequence[Split], labels: NDArray[np.int64]
) -> list[Planned]:
    """Every arm on every split with every seed; rate and decay are those the search found best.

    Only a search on the first split counts: validation images of another protocol may be test
    images here. options: preset, seeds, k, runs. Raises InputError where a search is not complete.
    """
    for count in options.k:
        if not 1 <= count <= LARGEST:
            raise InputError(f"--k {count}: 1 to {LARGEST} images a class")
    found = {
        arm: best_of(search_runs(options.preset, [arm], splits[0]), arm, options.runs, SEARCH)
        for arm in arms
    }
    return [
        planned(options.preset, arm, split, seed, found[arm], split.first(count, labels), count)
        for count, seed, split, arm in product(options.k, options.seeds, splits, arms)
    ]


def planned(
    preset: str,
    arm: str,
    split: Split,
    seed: int,
    found: Overrides,
    training: NDArray[np.int64] | None = None,
    count: int = TRAINING,
) -> Planned:
    """One run, of `count` images a class; without their rows one of the search."""
    chosen, (conv, options, change) = PRESETS[preset], ARMS[arm]
    study, name, steps = f"small-data-{preset}", str(count), chosen.steps
    measure: Measure | None = partial(measured, np.isin(split.test, split.clean))
    if training is None:
        study, steps, training = f"{study}-search", chosen.search_steps, split.training
        name, measure = f"lr{found['lr']:g}-decay{found['train.weight_decay']:g}", None
    overrides = {
        "source": "archive",
        "image_size": chosen.image_size,
        "model": "cnn" if conv == "plain" else "harmonic",
        "seed": seed,
        "batch_size": chosen.batch_size,
        "train.network": chosen.network,
        "train.optimizer": "sgd",
        "train.precision": "bfloat16",
        **{f"train.{key}": value for key, value in {**chosen.options, **options}.items()},
    }
    own = {
        "small_data.arm": arm,
        "small_data.network": chosen.network,
        "small_data.split": split.name,
        "small_data.images_per_class": count,
        "small_data.steps": steps,
    }
    epochs = round(steps / max(1, math.ceil(len(training) / chosen.batch_size)))
    return Planned(
        *(study, f"{arm}-{split.name}-{name}", seed, overrides | found),
        own=own,
        shared=GEMS,
        recipe=AS_GEM,
        schedule={"epochs": max(1, epochs), "chosen_by": None},
        rows={"train": training, "val": split.validation, "test": split.test},
        change=change,
        measure=measure,
    )


def measured(
    clean: NDArray[np.bool_], params: Params, fitted: Fitted, data: LabelledImages, place: Path
) -> Outcome:
    """Balanced accuracy on the test set, and on its images that are `clean`."""
    test = data.part("test")
    found = logits_of(fitted, test.images).argmax(axis=1)
    parts = {"": np.ones(len(found), dtype=bool), "clean_": clean}
    figures = {
        f"{name}balanced_accuracy": balanced_accuracy_score(test.labels[rows], found[rows])
        for name, rows in parts.items()
    }
    rounded = {name: round(float(figure), 5) for name, figure in figures.items()}
    return Outcome(rounded | {"test_images": len(found)})
