"""How accurate training from scratch gets at 64 × 64, from results/runs.csv.

    python -m benchmarks.grid long --archive ZIP       # or small, or full on a GPU
    python -m benchmarks.accuracy > results/accuracy.md

For every arm with two seeds or more: its single networks, and their ensemble, which answers with
the mean of their probabilities. An interval is over resampled test lesions.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.grid.answers import answers
from benchmarks.grid.table import read_runs
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.bootstrap import bootstrap_intervals
from harmonic.evaluation.metrics import headline_metrics

RESULTS = Path("results")
PRESETS = ("small", "long", "full")
SINGLE = ("balanced_accuracy", "macro_auc", "weighted_precision", "weighted_recall")
RESAMPLES = 2000


def ensemble(truth: pd.DataFrame, probabilities: NDArray[np.float64]) -> str:
    """Balanced accuracy with its interval, and macro AUC, of the mean over seeds."""
    labels = truth.dx.map(CLASSES.index).to_numpy()
    mean = probabilities.mean(axis=0)
    found = headline_metrics(labels, mean, mean)  # what is shown is of the balanced rule alone
    intervals = bootstrap_intervals(
        labels, truth.lesion_id.to_numpy(str), mean, mean, resamples=RESAMPLES, seed=0
    )
    low, high = intervals["balanced_accuracy"]
    return f"{found['balanced_accuracy']:.3f} [{low:.3f}, {high:.3f}] | {found['macro_auc']:.3f}"


def lines(runs: pd.DataFrame, results: Path) -> Iterator[str]:
    for preset in PRESETS:
        whole = runs[(runs.preset == preset) & runs.fold.isna()]
        for arm, rows in whole.groupby("arm"):
            if len(rows) < 2:
                continue
            single = [f"{rows[name].mean():.3f} ± {rows[name].std():.3f}" for name in SINGLE]
            size = f"{rows.parameters.iloc[0] / 1e6:.2f} M | {rows.epochs.iloc[0]:.0f}"
            both = ensemble(*answers(runs, preset, str(arm), results))
            yield (
                f"| {preset} | {arm} | {size} | {len(rows)} | {' | '.join(single)} "
                f"| {both} | {rows.seconds.median() / 60:.0f} |"
            )


def page(runs: pd.DataFrame, results: Path) -> str:
    head = [
        "# How accurate training from scratch gets at 64 × 64",
        "",
        "`python -m benchmarks.accuracy`, from the rows of runs.csv, each of which names its",
        "commit and data: mean and deviation of single networks over seeds, on test lesions that",
        "training never saw; weighted precision and recall under the natural rule. The ensemble",
        "answers with the mean of the seeds' probabilities; its 95 % interval is over lesions.",
        "Minutes are a run's, on the threads that its row names, where it ran in one go.",
        "",
        "| preset | arm | parameters | epochs | seeds | balanced accuracy | macro AUC "
        "| precision | recall | ensemble | its AUC | minutes |",
        "|---|---|--:|--:|--:|---|---|---|---|---|--:|--:|",
    ]
    found = list(lines(runs, results))
    if not found:
        raise InputError("no arm with two seeds: run `python -m benchmarks.grid small` first")
    return "\n".join([*head, *found, ""])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.accuracy",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    try:
        print(page(read_runs(RESULTS / "runs.csv"), RESULTS), end="")
    except InputError as error:
        print(f"accuracy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
