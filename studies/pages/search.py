"""What the search over learning rates found, kind by kind.

Every kind of network was given the same learning rates, epochs and seed; the best is the one with
the highest balanced accuracy on the validation set. The test set was not read.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from harmonic.errors import InputError
from harmonic.evaluation.runs import Run, runs_table
from harmonic.markdown import markdown_table
from studies.pages.reading import commits_of, runs_of_study
from studies.presets import PRESETS


def searched(runs: Sequence[Run]) -> pd.DataFrame:
    """Validation scores, one row per kind and one column per learning rate; all, or InputError."""
    table = runs_table(runs, ["lr"])
    if missing := sorted(set(PRESETS["search"].arms) - set(table.arm)):
        raise InputError(
            f"{len(missing)} runs of the search are missing, the first is {missing[0]}"
        )
    table["kind"] = table.arm.str.rpartition("-lr")[0]
    table["lr"] = table["params.lr"].astype(float)
    return table.pivot_table(index="kind", columns="lr", values="val_balanced_accuracy")


def best_rates(scores: pd.DataFrame) -> dict[str, float]:
    """The learning rate with the highest score of each kind; the lower one of equals."""
    return {str(kind): float(row.idxmax()) for kind, row in scores.iterrows()}


def page(results: Path) -> dict[str, str | bytes]:
    runs = runs_of_study(results, "search", answers=False)
    scores = searched(runs)
    best = best_rates(scores)
    heads = ["kind", *(f"lr {rate:g}" for rate in scores.columns), "best"]
    rows = [
        [str(kind), *(f"{score:.3f}" for score in row), f"{best[str(kind)]:g}"]
        for kind, row in scores.iterrows()
    ]
    text = (
        "# The learning rate of each kind of network\n\n"
        "Balanced accuracy on the validation set, one seed, "
        f"{PRESETS['search'].base['epochs']} epochs a run; commit {commits_of(runs)}.\n"
        "Made by `python -m studies pages search.md` from `results/runs/search`.\n\n"
    )
    return {"search.md": text + markdown_table(heads, rows, right=heads[1:])}
