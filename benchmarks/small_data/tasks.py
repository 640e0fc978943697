"""What is to be run: presets, the search, and the runs with what the search found."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.grid.table import as_text
from benchmarks.small_data.arms import ARMS
from benchmarks.small_data.splits import LARGEST, TRAINING, Split
from benchmarks.small_data.training import Budget
from harmonic.errors import InputError


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
    """One training and where its row stands."""

    row: dict[str, Any]
    split: Split
    training: np.ndarray
    budget: Budget
    searched: bool


def search_tasks(preset: str, arms: Sequence[str], splits: Sequence[Split]) -> Iterator[Task]:
    """Every learning rate and weight decay for every arm, on the first split, without its test."""
    chosen = PRESETS[preset]
    for lr, decay, arm in product(RATES, DECAYS, arms):
        budget = Budget(chosen.search_steps, chosen.batch_size, lr, decay)
        row = key(f"small-data-{preset}-search", arm, 0, splits[0], TRAINING, budget)
        yield Task(row, splits[0], splits[0].training, budget, searched=True)


def run_tasks(
    preset: str,
    arms: Sequence[str],
    splits: Sequence[Split],
    seeds: Sequence[int],
    sizes: Sequence[int],
    labels: np.ndarray,
    runs: pd.DataFrame,
) -> Iterator[Task]:
    """Every arm on every split with every seed; rate and decay are those the search found best."""
    chosen = PRESETS[preset]
    for count in sizes:
        if not 1 <= count <= LARGEST:
            raise InputError(f"--k {count}: 1 to {LARGEST} images a class")
    for count, seed, split, arm in product(sizes, seeds, splits, arms):
        lr, decay = best_found(runs, f"small-data-{preset}-search", arm, splits[0].name)
        budget = Budget(chosen.steps, chosen.batch_size, lr, decay)
        row = key(f"small-data-{preset}", arm, seed, split, count, budget)
        yield Task(row, split, split.first(count, labels), budget, searched=False)


def key(
    preset: str, arm: str, seed: int, split: Split, count: int, budget: Budget
) -> dict[str, Any]:
    overrides = {
        "split": split.name,
        "images_per_class": count,
        "steps": budget.steps,
        "batch_size": budget.batch_size,
        "lr": budget.lr,
        "weight_decay": budget.weight_decay,
    }
    model = "cnn" if ARMS[arm][0] == "plain" else "harmonic"
    return {
        "preset": preset,
        "arm": arm,
        "seed": seed,
        "fold": None,
        "model": model,
        "overrides": as_text(overrides),
    }


def best_found(runs: pd.DataFrame, preset: str, arm: str, split: str) -> tuple[float, float]:
    """Learning rate and weight decay of the best validation score; the first of equals.

    Only a search on `split` counts: validation images of another protocol may be test images here.
    Raises InputError where the search of this arm is not complete.
    """
    rows = runs[(runs.preset == preset) & (runs.arm == arm)]
    rows = rows[[json.loads(text)["split"] == split for text in rows.overrides]]
    if len(rows) < len(RATES) * len(DECAYS):
        raise InputError(
            f"{arm} has {len(rows)} of {len(RATES) * len(DECAYS)} runs of the search: "
            "run `python -m benchmarks.small_data search` first"
        )
    best = json.loads(rows.loc[rows.val_balanced_accuracy.idxmax(), "overrides"])
    return best["lr"], best["weight_decay"]
