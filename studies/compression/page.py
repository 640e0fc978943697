"""What smaller files cost: means over seeds, paired over lesions."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harmonic.deploy.compression import (
    AFTER,
    TRAINED,
    Scores,
    accuracy_over_bytes,
    table_row,
)
from harmonic.deploy.variants import BINARIES, LEVELS
from harmonic.errors import InputError
from harmonic.evaluation.runs import Run, runs_table
from harmonic.markdown import markdown_table, with_interval
from studies.pages.reading import kept_answers, runs_of_studies, scores_of

WHOLE = "float32"
FORMS = (WHOLE, "bfloat16", "int8", *(str(one) for one in LEVELS), *BINARIES)
"""Ways to store a network, in the order of the table; `level 4` counts as `4`."""
RESAMPLES = 1000
HEADS = [
    *("network", "weights", "made small", "seeds", "bytes", "share", "parameters"),
    *("balanced accuracy", "change", "by seed"),
]


def scored(runs: list[Run], results: Path, resamples: int) -> pd.DataFrame:
    """One row per file, with its `scores` on the test lesions."""
    keys = [f"compressed.{key}" for key in ("weights", "made", "views", "epochs")]
    table = runs_table(runs, ["model", *keys])
    table.columns = [name.removeprefix("params.").removeprefix("compressed.") for name in table]
    shown = ["model", "seed", "weights", "made", "bytes", "parameters", "commit"]
    rows = table[shown].assign(
        views=table.views.astype(int),
        tuned=table.epochs.astype(int),
        scores=[scores_of(kept_answers(results, run), resamples) for run in runs],
    )
    trained = rows.made == TRAINED
    order = pd.DataFrame(
        {
            "trained": trained,
            "name": rows.weights.where(trained, ""),
            "place": rows.weights.str.removeprefix("level ").map(FORMS.index),
            "tuned": ~rows.made.isin(["", AFTER]),
            "seed": rows.seed,
        }
    )
    return rows.loc[order.sort_values(list(order)).index]


def over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a way of storing: means over the seeds that have a float32 network to be held against.

    Intervals are over lesions, of the mean of the seeds; `change_seeds` are the single changes.
    """
    wholes = {
        (row.model, row.seed): row
        for row in rows.itertuples()
        if row.weights == WHOLE and row.made != TRAINED
    }
    rows = rows[[(row.model, row.seed) in wholes for row in rows.itertuples()]]
    if rows.empty:
        raise InputError("no run of harmonic or cnn to hold the others against")
    found = []
    for (model, weights, made), group in rows.groupby(["model", "weights", "made"], sort=False):
        whole = [wholes[model, seed] for seed in group.seed]
        mine, reference = mean_of(group.scores), mean_of([one.scores for one in whole])
        changes = [a.value - b.scores.value for a, b in zip(group.scores, whole, strict=True)]
        found.append(
            {
                "model": model,
                "weights": weights,
                "when": made,
                "seeds": len(group),
                "epochs": int(group.tuned.iloc[0]),
                "bytes": round(group.bytes.mean()),
                "share": round(group.bytes.mean() / np.mean([one.bytes for one in whole]), 4),
                "parameters": int(group.parameters.iloc[0]),
                **table_row(mine, reference),
                "change_seeds": " ".join(f"{100 * change:+.1f}" for change in changes),
            }
        )
    table = pd.DataFrame(found)
    table["trained"] = table.when == TRAINED
    return table.sort_values(["model", "trained"], kind="stable").drop(columns="trained")


def mean_of(scores: Any) -> Scores:
    return Scores(
        float(np.mean([one.value for one in scores])),
        np.mean([one.resampled for one in scores], axis=0),
    )


def page(results: Path) -> dict[str, str | bytes]:
    """The table, changes in points of balanced accuracy; and a picture for each kind of network."""
    rows = scored(runs_of_studies(results, "small-compressed", answers=False), results, RESAMPLES)
    table = over_seeds(rows)
    commits = ", ".join(rows.commit.unique())
    views = "one view" if (rows.views == 1).all() else "the mean of several views"
    text = (
        "# Smaller files\n\n"
        f"`python -m studies compress small --epochs {rows.tuned.max()}`, from "
        f"`results/runs/small-compressed`, commit {commits}. Balanced accuracy on "
        f"the test set from {views} of an image, mean over seeds; 95 % intervals over lesions; "
        "change in points from the float32 network of the same seed.\n\n"
    )
    cells = [
        [
            *(row.model, row.weights, row.when, row.seeds, f"{row.bytes:,}", f"{row.share:.1%}"),
            f"{row.parameters:,}",
            with_interval(
                row.balanced_accuracy, row.balanced_accuracy_low, row.balanced_accuracy_high
            ),
            with_interval(100 * row.change, 100 * row.change_low, 100 * row.change_high, "+.1f"),
            row.change_seeds,
        ]
        for row in table.itertuples()
    ]
    pictures = {
        f"compression-{model}.svg": accuracy_over_bytes(part)
        for model, part in table.groupby("model")
    }
    return {"compression.md": text + markdown_table(HEADS, cells)} | pictures
