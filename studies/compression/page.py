"""What smaller files cost: means over seeds, paired over lesions."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harmonic.deploy.compression import AFTER, TRAINED, Scores, accuracy_over_bytes, table_row
from harmonic.deploy.variants import BINARIES, LEVELS
from harmonic.errors import InputError
from harmonic.evaluation.runs import Run, runs_table
from harmonic.markdown import markdown_table, with_interval
from studies.pages.reading import runs_of_study, scores_of, whole_answers

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
        trained=table.made == TRAINED,
        scores=[scores_of(whole_answers(results, run), resamples) for run in runs],
    )
    order = pd.DataFrame(
        {
            "trained": rows.trained,
            "name": rows.weights.where(rows.trained, ""),
            "place": rows.weights.str.removeprefix("level ").map(FORMS.index),
            "tuned": ~rows.made.isin(["", AFTER]),
            "seed": rows.seed,
        }
    )
    return rows.loc[order.sort_values(list(order)).index]


def over_seeds(rows: pd.DataFrame) -> pd.DataFrame:
    """A row a way of storing: means over the seeds that have a float32 network to compare with."""
    whole = rows[(rows.weights == WHOLE) & ~rows.trained][["model", "seed", "bytes", "scores"]]
    rows = rows.merge(whole, on=["model", "seed"], suffixes=("", "_whole"))
    if rows.empty:
        raise InputError("no run of harmonic or cnn to hold the others against")
    found = []
    for (model, weights, made), group in rows.groupby(["model", "weights", "made"], sort=False):
        changes = [a.value - b.value for a, b in zip(group.scores, group.scores_whole, strict=True)]
        found.append(
            {
                "model": model,
                "weights": weights,
                "when": made,
                "seeds": len(group),
                "epochs": int(group.tuned.iloc[0]),
                "bytes": round(group.bytes.mean()),
                "share": round(group.bytes.mean() / group.bytes_whole.mean(), 4),
                "parameters": int(group.parameters.iloc[0]),
                **table_row(mean_of(group.scores), mean_of(group.scores_whole)),
                "change_seeds": " ".join(f"{100 * change:+.1f}" for change in changes),
            }
        )
    table = pd.DataFrame(found)
    by_kind = table.assign(trained=table.when == TRAINED)
    return table.loc[by_kind.sort_values(["model", "trained"], kind="stable").index]


def mean_of(scores: Iterable[Scores]) -> Scores:
    values, resampled = zip(*((one.value, one.resampled) for one in scores), strict=True)
    return Scores(float(np.mean(values)), np.mean(resampled, axis=0))


def interval(bounds: Sequence[float], form: str = ".3f") -> str:
    value, low, high = bounds
    return with_interval(value, low, high, form)


def page(results: Path) -> dict[str, str | bytes]:
    """The table, changes in points of balanced accuracy; and a picture for each kind of network."""
    rows = scored(runs_of_study(results, "small-compressed", answers=False), results, RESAMPLES)
    table = over_seeds(rows)
    views = "one view" if (rows.views == 1).all() else "the mean of several views"
    text = (
        "# Smaller files\n\n"
        f"`python -m studies compress small --epochs {rows.tuned.max()}`, from "
        f"`results/runs/small-compressed`, commit {', '.join(rows.commit.unique())}. Balanced "
        f"accuracy on the test set from {views} of an image, mean over seeds; 95 % intervals over "
        "lesions; change in points from the float32 network of the same seed.\n\n"
    )
    cells = []
    for row in table.to_dict("records"):
        score, change = (
            [scale * row[f"{name}{end}"] for end in ("", "_low", "_high")]
            for name, scale in (("balanced_accuracy", 1), ("change", 100))
        )
        cells.append(
            [
                *(row[name] for name in ("model", "weights", "when", "seeds")),
                *(f"{row['bytes']:,}", f"{row['share']:.1%}", f"{row['parameters']:,}"),
                *(interval(score), interval(change, "+.1f"), row["change_seeds"]),
            ]
        )
    pictures = {
        f"compression-{model}.svg": accuracy_over_bytes(part)
        for model, part in table.groupby("model")
    }
    return {"compression.md": text + markdown_table(HEADS, cells)} | pictures
