"""What the search over learning rates found, kind by kind, from results/runs.csv.

    python -m benchmarks.grid search --archive PATH      # the runs
    python -m benchmarks.search > results/search.md      # this table

Every kind of network was given the same learning rates, epochs and seed; the best is the one with
the highest balanced accuracy on the validation set. The test set was not read.
"""

import argparse
import json
import sys
from pathlib import Path

import pandas as pd

from benchmarks.grid.presets import PRESETS
from benchmarks.grid.table import read_runs
from harmonic.errors import InputError

RUNS = Path("results/runs.csv")


def searched(runs: pd.DataFrame) -> pd.DataFrame:
    """Validation scores, a row a kind and a column a learning rate.

    Raises InputError where runs of the search are missing.
    """
    search = runs[runs.preset == "search"].copy()
    missing = sorted(set(PRESETS["search"].arms) - set(search.arm))
    if missing:
        raise InputError(
            f"{len(missing)} runs of the search are missing, the first is {missing[0]}"
        )
    search["kind"] = search.arm.str.rpartition("-lr")[0]
    search["lr"] = [json.loads(text)["lr"] for text in search.overrides]
    return search.pivot_table(index="kind", columns="lr", values="val_balanced_accuracy")


def best_rates(scores: pd.DataFrame) -> dict[str, float]:
    """The learning rate with the highest score of each kind; the lower one of equals."""
    return {str(kind): float(row.idxmax()) for kind, row in scores.iterrows()}


def markdown(scores: pd.DataFrame, commits: list[str]) -> str:
    best = best_rates(scores)
    heads = ["kind", *(f"lr {rate:g}" for rate in scores.columns), "best"]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'--:|' * (len(heads) - 1)}"]
    for kind, row in scores.iterrows():
        cells = [f"{score:.3f}" for score in row]
        lines.append(f"| {kind} | {' | '.join(cells)} | {best[str(kind)]:g} |")
    budget = PRESETS["search"].base["epochs"]
    return "\n".join(
        [
            "# The learning rate of each kind of network",
            "",
            f"Balanced accuracy on the validation set, one seed, {budget} epochs a run; "
            f"commit {', '.join(commits)}.",
            "Made by `python -m benchmarks.search` from the rows `search` of runs.csv.",
            "",
            *lines,
            "",
        ]
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.search",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    try:
        runs = read_runs(RUNS)
        scores = searched(runs)
    except InputError as error:
        print(f"search: {error}", file=sys.stderr)
        return 1
    print(markdown(scores, sorted(set(runs[runs.preset == "search"].commit))), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
