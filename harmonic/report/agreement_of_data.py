"""Whether split, fingerprint and learning-rate range are of the data and parameters of a run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.learning.sweep import Sweep
from harmonic.report.agreement import few

SPLIT_COLUMNS = ("lesion_id", "dx")
CURVE_COLUMNS = ("lr", "loss", "smoothed_loss")
ROUNDED = 1.01e-9
"""How far a value of curve.csv, rounded to nine digits, may lie from the one made again."""


def of_split(split: pd.DataFrame, metadata: pd.DataFrame) -> list[str]:
    """Lesions and diagnoses of the split are those of the metadata, for the same images."""
    known = metadata.set_index("image_id")
    if set(split.image_id) != set(known.index):
        return ["split.csv is not of the images of HAM10000_metadata.csv"]
    lines = []
    for column in SPLIT_COLUMNS:
        expected = known[column].loc[split.image_id].to_numpy(dtype=str)
        lines += [
            f"{column} of {image} is {old} in split.csv, but {new} in HAM10000_metadata.csv"
            for image, old, new in zip(split.image_id, split[column], expected, strict=True)
            if old != new
        ]
    return few(lines, "split.csv")


def of_fingerprint(fingerprint: Mapping[str, Any], index: pd.DataFrame) -> list[str]:
    """The counts of fingerprint.json are those of the metadata, given with its lesion_group."""
    made: dict[str, Any] = {
        "images": len(index),
        "lesions": int(index.lesion_id.nunique()),
        "lesion_groups": int(index.lesion_group.nunique()),
        "images_by_class": {name: int((index.dx == name).sum()) for name in CLASSES},
        "lesion_groups_by_class": {
            name: int(index.lesion_group[index.dx == name].nunique()) for name in CLASSES
        },
    }
    return [
        f"{name} is {fingerprint.get(name)} in fingerprint.json, but {value} by the metadata"
        for name, value in made.items()
        if fingerprint.get(name) != value
    ]


def of_lr_range(
    curve: pd.DataFrame,
    suggestion: Mapping[str, float | None],
    *,
    lowest: float,
    highest: float,
    steps: int,
) -> list[str]:
    """The rates rise as the parameters say; all that follows from the losses is made again.

    The losses themselves are not, as that is a training.
    """
    name = "lr_range/curve.csv"
    if missing := [column for column in CURVE_COLUMNS if column not in curve]:
        return [f"{name} has no column {missing[0]}"]
    if not 10 <= len(curve) <= steps:
        return [f"{name} has {len(curve)} rows; find_lr writes 10 to {steps}"]
    given = {
        column: pd.to_numeric(curve[column], errors="coerce").to_numpy(dtype=np.float64)
        for column in CURVE_COLUMNS
    }
    losses, rates = given["loss"], np.geomspace(lowest, highest, steps)
    if not np.allclose(given["lr"], rates[: len(curve)], rtol=0, atol=ROUNDED):
        return [f"lr in {name} does not rise evenly from find_lr.lowest to find_lr.highest"]
    if (wrong := ~(np.isfinite(losses) & (losses >= 0))).any():
        row = int(wrong.argmax())
        return [f"loss of step {row} is {curve.loss[row]} in {name}; allowed is 0 or more"]
    made = Sweep.of_losses(rates, losses)
    away = ~np.isclose(given["smoothed_loss"], made.smoothed_loss, rtol=1e-6, atol=2 * ROUNDED)
    if away.any():
        row = int(away.argmax())
        return [
            f"smoothed_loss of step {row} is {curve.smoothed_loss[row]} in {name}, but "
            f"{made.smoothed_loss[row]:.6f} by its losses"
        ]
    return [
        f"{figure} in lr_range/suggestion.json is not that of curve.csv"
        for figure in ("suggested_lr", "steepest_lr", "diverged_lr")
        if figure not in suggestion or not near(suggestion[figure], getattr(made, figure)())
    ]


def near(value: float | None, expected: float | None) -> bool:
    """Both None, or as good as equal."""
    if not isinstance(value, int | float) or expected is None:
        return value is expected
    return abs(value - expected) <= 1e-6 * expected
