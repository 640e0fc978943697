"""From a preset to its runs, and from a run to its row."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from benchmarks.grid.presets import PRESETS, Overrides
from benchmarks.grid.record import keep_predictions, measured
from benchmarks.grid.table import add_run, as_text, has_run, read_runs
from benchmarks.grid.work import (
    claimed,
    data_digest,
    overridden,
    prepared_data,
    train_and_evaluate,
)
from harmonic.errors import InputError


@dataclass(frozen=True)
class Run:
    """One training, before it knows its data."""

    preset: str
    arm: str
    seed: int
    fold: int | None
    overrides: Overrides
    evaluated: bool

    @property
    def name(self) -> str:
        fold = "" if self.fold is None else f"-fold{self.fold}"
        return f"{self.arm}-seed{self.seed}{fold}"


def runs_of(preset: str, arms: Sequence[str], seeds: Sequence[int], folds: int) -> list[Run]:
    """Every run asked for: all arms of one seed before the next seed, so that pairs come early."""
    chosen = PRESETS[preset]
    for arm in arms:
        if arm not in chosen.arms:
            raise InputError(f"--arms {arm} is not in {preset}; it has {', '.join(chosen.arms)}")
    runs = []
    for seed, fold, arm in product(seeds, range(folds) if folds else (None,), arms):
        overrides = chosen.base | chosen.arms[arm] | {"seed": seed}
        if fold is not None:
            overrides |= {"split.folds": folds, "split.fold": fold}
        overridden(overrides)  # what is not allowed is told before anything runs
        runs.append(Run(preset, arm, seed, fold, overrides, chosen.evaluated))
    return runs


def named(run: Run) -> str:
    """A file name that no run with other parameters has."""
    return f"{run.name}-{hashlib.sha256(as_text(run.overrides).encode()).hexdigest()[:8]}"


def do(run: Run, archive: Path, work: Path, results: Path, commit: str) -> str:
    """Do one run unless its row is there; returns what happened, in a word or two."""
    params = overridden(run.overrides | {"archive": str(archive)})
    data = prepared_data(work, params)
    row = {
        "preset": run.preset,
        "arm": run.arm,
        "seed": run.seed,
        "fold": run.fold,
        "model": params["model"],
        "overrides": as_text(run.overrides),
        "commit": commit,
        "data": data_digest(data),
    }
    if has_run(read_runs(results), row):
        return "is there"
    folder = work / run.preset / row["data"] / run.name
    begun_before = folder.exists()  # a run taken up again cannot say how long it took
    with claimed(folder) as mine:
        if not mine:
            return "is another process's"
        started = time.perf_counter()
        train_and_evaluate(folder, data, params, evaluated=run.evaluated)
        seconds = None if begun_before else round(time.perf_counter() - started)
        row |= {"seconds": seconds, **measured(folder, evaluated=run.evaluated)}
        if run.evaluated:
            row["predictions"] = keep_predictions(
                folder, data, results.parent, Path(run.preset) / named(run), row["data"]
            )
        add_run(results, row)
    score = "balanced_accuracy" if run.evaluated else "val_balanced_accuracy"
    return f"{score} {row[score]:.3f}, {'taken up again' if begun_before else f'{seconds} s'}"
