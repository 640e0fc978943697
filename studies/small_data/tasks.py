"""What is to be run: presets, the search, and the runs with what the search found."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from harmonic.data.arrays import LabelledImages
from harmonic.errors import InputError
from harmonic.evaluation.runs import read_runs
from harmonic.learning.device import choose_device
from studies.data import claimed
from studies.runner import Places, Planned, is_finished, keep, work_folder
from studies.small_data.analysis import finished
from studies.small_data.arms import ARMS, build
from studies.small_data.splits import LARGEST, TRAINING, Split
from studies.small_data.training import Budget, answers, balanced_accuracy, trained


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
    own_arm: str
    """As ARMS has it."""
    split: Split
    training: np.ndarray
    budget: Budget
    searched: bool


def search_tasks(preset: str, arms: Sequence[str], splits: Sequence[Split]) -> Iterator[Task]:
    """Every learning rate and weight decay for every arm, on the first split, without its test."""
    chosen = PRESETS[preset]
    for lr, decay, arm in product(RATES, DECAYS, arms):
        budget = Budget(chosen.search_steps, chosen.batch_size, lr, decay)
        name = f"{arm}-{splits[0].name}-lr{lr:g}-decay{decay:g}"
        run = planned(preset, "-search", name, arm, 0, splits[0], TRAINING, budget)
        yield Task(run, arm, splits[0], splits[0].training, budget, searched=True)


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
    chosen = PRESETS[preset]
    for count in sizes:
        if not 1 <= count <= LARGEST:
            raise InputError(f"--k {count}: 1 to {LARGEST} images a class")
    search = finished_search(runs / f"small-data-{preset}-search")
    for count, seed, split, arm in product(sizes, seeds, splits, arms):
        lr, decay = best_found(search, arm, splits[0].name)
        budget = Budget(chosen.steps, chosen.batch_size, lr, decay)
        name = f"{arm}-{split.name}-{count}"
        run = planned(preset, "", name, arm, seed, split, count, budget)
        yield Task(run, arm, split, split.first(count, labels), budget, searched=False)


def planned(
    preset: str,
    what: str,
    name: str,
    arm: str,
    seed: int,
    split: Split,
    count: int,
    budget: Budget,
) -> Planned:
    chosen = PRESETS[preset]
    conv, options, _ = ARMS[arm]
    overrides = {
        "source": "archive",
        "image_size": chosen.image_size,
        "model": "cnn" if conv == "plain" else "harmonic",
        "seed": seed,
        "lr": budget.lr,
        "batch_size": budget.batch_size,
        "train.optimizer": "sgd",
        "train.weight_decay": budget.weight_decay,
        "train.precision": "bfloat16",
        **{f"train.{key}": value for key, value in {**chosen.options, **options}.items()},
    }
    own = {
        "small_data.arm": arm,
        "small_data.network": chosen.network,
        "small_data.split": split.name,
        "small_data.images_per_class": count,
        "small_data.steps": budget.steps,
    }
    return Planned(f"small-data-{preset}{what}", name, seed, None, overrides, own=own)


def finished_search(folder: Path) -> pd.DataFrame:
    """One row per run of a search; an empty table where there is none."""
    if not folder.is_dir():
        return finished([])
    return finished(read_runs([str(folder)], answers=False))


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


def do(task: Task, preset: Preset, data: LabelledImages, digest: str, places: Places) -> str:
    """Do one run unless its folder is there; returns what happened, in a few words."""
    if is_finished(task.run, places.runs, digest):
        return "is there"
    with claimed(work_folder(task.run, places.work, digest)) as mine:
        if not mine:
            return "another process is at it"
        record, figures = scored(task, preset, data, choose_device("auto"))
        tree = task.run.params(places.archive)
        keep(task.run, places, tree, digest, record, figures, None, None)
    score = figures.get("balanced_accuracy", record.get("val_balanced_accuracy"))
    return f"balanced accuracy {score:.3f}, {record['seconds']} s"


def scored(
    task: Task, preset: Preset, data: LabelledImages, device: torch.device
) -> tuple[dict[str, Any], dict[str, float]]:
    """Train, and answer on the validation set (a search) or on the two test sets."""
    started = time.perf_counter()
    training, seed = data.images[task.training], task.run.seed
    model = build(task.own_arm, preset.network, preset.options, seed=seed)
    labels = data.labels[task.training]
    model = trained(model, training, labels, task.budget, seed, device)
    record: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "parameters": sum(weights.numel() for weights in model.parameters()),
    }
    rows = task.split.validation if task.searched else task.split.test
    found = answers(model, training, data.images[rows], device)
    score = balanced_accuracy(data.labels[rows], found)
    record["seconds"] = round(time.perf_counter() - started)
    if task.searched:
        return record | {"val_balanced_accuracy": score}, {}
    clean = np.isin(rows, task.split.clean)
    return record, {
        "balanced_accuracy": score,
        "clean_balanced_accuracy": balanced_accuracy(data.labels[rows][clean], found[clean]),
        "test_images": len(rows),
    }
