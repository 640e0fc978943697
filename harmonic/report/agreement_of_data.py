"""Whether split, fingerprint and learning-rate range are of the data and parameters of a run."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.report.agreement import few

SPLIT_COLUMNS = ("lesion_id", "dx")


def of_split(split: pd.DataFrame, metadata: pd.DataFrame) -> list[str]:
    """Lesions and diagnoses of the split are those of the metadata, for the same images."""
    known = metadata.set_index("image_id")
    if set(split.image_id) != set(known.index):
        return ["split.csv is not of the images of HAM10000_metadata.csv"]
    lines = []
    for column in SPLIT_COLUMNS:
        expected = known[column].loc[split.image_id].to_numpy(dtype=str)
        wrong = split[column].to_numpy(dtype=str) != expected
        for image, old, new in zip(
            split.image_id[wrong], split[column][wrong], expected[wrong], strict=True
        ):
            lines.append(
                f"{column} of {image} is {old} in split.csv, but {new} in HAM10000_metadata.csv"
            )
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
    curve: pd.DataFrame, suggestion: Mapping[str, float | None], *, lowest: float, highest: float
) -> list[str]:
    """The rates rise as the parameters say, and the suggestions are read off the curve.

    The losses themselves are not made again, as that is a training.
    """
    if missing := [name for name in ("lr", "loss", "smoothed_loss") if name not in curve]:
        return [f"lr_range/curve.csv has no column {missing[0]}"]
    rates = curve.lr.to_numpy(dtype=np.float64)
    steps = np.diff(np.log(rates))
    in_order = np.isclose(rates[0], lowest, rtol=1e-3) and rates[-1] <= highest * 1.001
    if not in_order or not np.allclose(steps, steps.mean(), rtol=0.02):
        return ["lr in lr_range/curve.csv does not rise evenly from find_lr.lowest"]
    wrong = []
    least = rates[int(curve.smoothed_loss.argmin())]
    if not near(suggestion.get("suggested_lr"), least / 10):
        wrong.append("suggested_lr")
    steepest = suggestion.get("steepest_lr")
    if not any(near(steepest, rate) for rate in rates[rates <= least * 1.001]):
        wrong.append("steepest_lr")
    if suggestion.get("diverged_lr") is not None and not near(suggestion["diverged_lr"], rates[-1]):
        wrong.append("diverged_lr")
    return [f"{name} in lr_range/suggestion.json is not that of curve.csv" for name in wrong]


def near(value: float | None, expected: float) -> bool:
    """Within what nine decimal places leave of a small rate."""
    return value is not None and abs(value - expected) <= max(1e-9, 1e-4 * expected)
