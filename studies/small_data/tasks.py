"""What is to be run: GEM's recipe in sizes, the search, and the runs with what the search found.

One budget of steps for every size of training set, in whole epochs, so that fewer images never mean
less training. The last epoch counts. Validation images are watched all along; of more than 50
images a class some are trained on.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import balanced_accuracy_score

from harmonic.data.arrays import LabelledImages
from harmonic.errors import InputError
from harmonic.evaluation.runs import read_runs
from harmonic.learning.batches import predict_logits
from stages.harness.params import Params
from stages.training import plan_of
from studies import runner
from studies.data import in_sets
from studies.runner import Outcome, Places, Planned, trained
from studies.small_data.analysis import finished
from studies.small_data.arms import ARMS
from studies.small_data.splits import LARGEST, TRAINING, Split

GEMS: dict[str, Any] = {
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


@dataclass(frozen=True)
class Task:
    """One run, and what it is trained on."""

    run: Planned
    split: Split
    training: np.ndarray

    @property
    def searches(self) -> bool:
        """Whether the test sets are not to be read."""
        return self.run.study.endswith("-search")


def search_tasks(preset: str, arms: Sequence[str], splits: Sequence[Split]) -> Iterator[Task]:
    """Every learning rate and weight decay for every arm, on the first split, without its test."""
    split, study = splits[0], f"small-data-{preset}-search"
    for lr, decay, arm in product(RATES, DECAYS, arms):
        name = f"{arm}-{split.name}-lr{lr:g}-decay{decay:g}"
        run = planned(preset, study, name, arm, 0, split, TRAINING, (lr, decay))
        yield Task(run, split, split.training)


def run_tasks(
    preset: str,
    arms: Sequence[str],
    splits: Sequence[Split],
    seeds: Sequence[int],
    sizes: Sequence[int],
    labels: np.ndarray,
    runs: Path,
) -> Iterator[Task]:
    """Every arm on every split with every seed; rate and decay are those the search found best."""
    study = f"small-data-{preset}"
    for count in sizes:
        if not 1 <= count <= LARGEST:
            raise InputError(f"--k {count}: 1 to {LARGEST} images a class")
    search = runs / f"{study}-search"
    found = finished(read_runs([str(search)], answers=False) if search.is_dir() else [])
    for count, seed, split, arm in product(sizes, seeds, splits, arms):
        best = best_found(found, arm, splits[0].name)
        run = planned(preset, study, f"{arm}-{split.name}-{count}", arm, seed, split, count, best)
        yield Task(run, split, split.first(count, labels))


def planned(
    preset: str,
    study: str,
    name: str,
    arm: str,
    seed: int,
    split: Split,
    count: int,
    rate_and_decay: tuple[float, float],
) -> Planned:
    chosen, (conv, options, _) = PRESETS[preset], ARMS[arm]
    lr, decay = rate_and_decay
    overrides = {
        "source": "archive",
        "image_size": chosen.image_size,
        "model": "cnn" if conv == "plain" else "harmonic",
        "seed": seed,
        "lr": lr,
        "batch_size": chosen.batch_size,
        "train.network": chosen.network,
        "train.optimizer": "sgd",
        "train.weight_decay": decay,
        "train.precision": "bfloat16",
        **{f"train.{key}": value for key, value in {**chosen.options, **options}.items()},
    }
    own = {
        "small_data.arm": arm,
        "small_data.network": chosen.network,
        "small_data.split": split.name,
        "small_data.images_per_class": count,
        "small_data.steps": chosen.search_steps if study.endswith("-search") else chosen.steps,
    }
    return Planned(study, name, seed, None, overrides, own, GEMS)


def best_found(rows: pd.DataFrame, arm: str, split: str) -> tuple[float, float]:
    """Learning rate and weight decay of the best validation score; the first of equals.

    Only a search on `split` counts: validation images of another protocol may be test images here.
    Raises InputError where the search of this arm is not complete.
    """
    rows = rows[(rows.arm == arm) & (rows.split == split)]
    if len(rows) < len(RATES) * len(DECAYS):
        raise InputError(
            f"{arm} has {len(rows)} of {len(RATES) * len(DECAYS)} runs of the search: "
            "run `python -m studies small-data search` first"
        )
    best = rows.loc[rows.val_balanced_accuracy.idxmax()]
    return float(best.lr), float(best.weight_decay)


def do(task: Task, data: LabelledImages, digest: str, places: Places) -> str:
    """Do one run unless its folder is there; returns what happened, in a few words."""
    run, split = task.run, task.split

    def work(params: Params, folder: Path) -> Outcome:
        steps_an_epoch = math.ceil(len(task.training) / params.batch_size)
        epochs = max(1, round(run.own["small_data.steps"] / steps_an_epoch))
        plan = plan_of(params.model_copy(update={"epochs": epochs}))
        plan = replace(
            plan,
            recipe=plan.recipe.model_copy(update=AS_GEM),
            schedule=plan.schedule.model_copy(update={"chosen_by": None}),
        )
        _, _, change = ARMS[run.own["small_data.arm"]]
        arranged = in_sets(
            data, {"train": task.training, "val": split.validation, "test": split.test}
        )
        fitted, record = trained(params, plan, arranged, folder, digest, change=change)
        if task.searches:
            told = f"balanced accuracy on validation {record['val_balanced_accuracy']:.3f}"
            return Outcome(record, fitted.history, told=told)
        test = arranged.part("test")
        statistics, device = fitted.description.statistics(), fitted.processes.device
        logits = predict_logits(fitted.network, test.images, statistics, device, view_count=1)
        found, clean = logits.argmax(axis=1), np.isin(split.test, split.clean)
        figures = {
            "balanced_accuracy": balanced_accuracy(test.labels, found),
            "clean_balanced_accuracy": balanced_accuracy(test.labels[clean], found[clean]),
            "test_images": len(test.labels),
        }
        told = f"balanced accuracy {figures['balanced_accuracy']:.3f}"
        return Outcome(record, fitted.history, figures, told=told)

    return runner.do(run, places, digest, work)


def balanced_accuracy(labels: np.ndarray, found: np.ndarray) -> float:
    return round(float(balanced_accuracy_score(labels, found)), 5)
