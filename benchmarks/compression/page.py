"""From rows of results/runs.csv to the page: means over seeds, paired over lesions."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.deploy.compression import TRAINED, Scores, scores_of_choice, table_row
from harmonic.errors import InputError

WHOLE = "float32"


def scored(runs: pd.DataFrame, preset: str, results: Path, resamples: int) -> pd.DataFrame:
    """The rows of a preset's smaller files, each with its `scores` on the test lesions.

    Raises InputError where there is none, or answers are to other images than the truth's.
    """
    rows = runs[runs.preset == f"{preset}-compressed"].copy()
    if rows.empty:
        raise InputError(f"no smaller file of {preset} in the table")
    made = pd.DataFrame([json.loads(text) for text in rows.overrides], index=rows.index)
    rows = rows.join(
        made[["weights", "made", "views", "epochs"]].rename(columns={"epochs": "tuned"})
    )
    truth = {
        data: pd.read_csv(results / "predictions" / f"{data}.csv.gz") for data in rows.data.unique()
    }
    rows["scores"] = [
        scores_of(results / row.answers, truth[row.data], resamples) for row in rows.itertuples()
    ]
    return rows


def scores_of(path: Path, truth: pd.DataFrame, resamples: int) -> Scores:
    answers = pd.read_csv(path)
    if answers.image.tolist() != truth.image.tolist():
        raise InputError(f"{path}: answers other images than the truth of its data")
    labels, chosen = (column.map(CLASSES.index).to_numpy() for column in (truth.dx, answers.answer))
    lesions = truth.lesion_id.to_numpy(str)
    return scores_of_choice(labels, lesions, chosen, resamples=resamples, seed=0)


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


def page(table: pd.DataFrame, command: str, rows: pd.DataFrame) -> str:
    """The table as Markdown; changes in points of balanced accuracy."""
    commits = ", ".join(rows.commit.unique())
    views = "one view" if (rows.views == 1).all() else "the mean of several views"
    lines = [
        "# Smaller files",
        "",
        f"`{command}`, from rows of runs.csv, commit {commits}. Balanced accuracy on the test set "
        f"from {views} of an image, mean over seeds; 95 % intervals over lesions; change in points "
        "from the float32 network of the same seed.",
        "",
        "| network | weights | made small | seeds | bytes | share | parameters | balanced accuracy "
        "| change | by seed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in table.itertuples():
        lines.append(
            f"| {row.model} | {row.weights} | {row.when} | {row.seeds} | {row.bytes:,} "
            f"| {row.share:.1%} | {row.parameters:,} | {row.balanced_accuracy:.3f} "
            f"[{row.balanced_accuracy_low:.3f}, {row.balanced_accuracy_high:.3f}] "
            f"| {100 * row.change:+.1f} [{100 * row.change_low:+.1f}, "
            f"{100 * row.change_high:+.1f}] | {row.change_seeds} |"
        )
    return "\n".join(lines) + "\n"
