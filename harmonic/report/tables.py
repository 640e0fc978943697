"""The tables of the report as rows of text and numbers, from the figures of a run."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.data.split import SETS
from harmonic.evaluation.metrics import BALANCED_METRICS, NATURAL_METRICS, UNCALIBRATED
from harmonic.evaluation.plots.classification import confusion_table

MEANINGS = {
    "balanced_accuracy": (
        "Balanced accuracy",
        "share of images answered right, found for each class alone and then averaged: a rare class"
        " counts as much as a common one",
    ),
    "macro_f1": (
        "Macro F1",
        "balance of missed images and false alarms, averaged over the classes",
    ),
    "macro_auc": (
        "Macro AUC",
        "chance that an image of a class gets a higher probability for it than an image of another"
        " class, averaged over the classes; guessing gives one half",
    ),
    "accuracy": (
        "Accuracy",
        "share of all images answered right; mostly about the commonest class",
    ),
    "weighted_precision": (
        "Weighted precision",
        "how often an answer is right, averaged over the classes by their number of images",
    ),
    "weighted_recall": (
        "Weighted recall",
        "share of each class that is found, averaged in the same way: the same as accuracy",
    ),
    "weighted_f1": ("Weighted F1", "F1 averaged over the classes by their number of images"),
    "mcc": (
        "Matthews correlation",
        "correlation of answer and truth: 1 is perfect, 0 no better than chance",
    ),
    "ece": (
        "Calibration error (ECE)",
        "how far, on average, the stated confidence is from the share of right answers; 0 is best",
    ),
    "brier": ("Brier score", "squared error of the probabilities, 0 to 2; 0 is best"),
    "log_loss": ("Log-loss", "surprise at the truth, in nats; 0 is best"),
}

HEADS = {
    "n": "images",
    "ppv": "PPV",
    "npv": "NPV",
    "f1": "F1",
    "auc": "AUC",
    "column": "by",
    "dx_type": "proof",
    "localization": "site",
}
"""Headings and values that are not their names with the underscores taken out."""

ENDS = ("", "_low", "_high")


def other_metrics(metrics: Mapping[str, float]) -> list[tuple[str, float]]:
    """Name and value of every metric that the two tables above do not hold, sorted."""
    held = {"test_images", "test_lesions"}
    for name in (*BALANCED_METRICS, *NATURAL_METRICS):
        held |= {f"{name}{end}" for end in ("_natural_rule", "_balanced_rule", "_uncalibrated")}
        held |= {f"{start}{name}{end}" for start in ("", "lesion_") for end in ENDS}
        held.add(f"majority_{name}")
    return sorted((name, value) for name, value in metrics.items() if name not in held)


def made_worse(metrics: Mapping[str, float]) -> list[str]:
    """What of calibration is worse after temperature scaling than before."""
    return [
        MEANINGS[name][0]
        for name in UNCALIBRATED
        if metrics.get(name, 0.0) > metrics.get(f"{name}_uncalibrated", math.inf)
    ]


def whole_parameters(variants: pd.DataFrame) -> int | None:
    """How many numbers training set, of the table that `compress` writes; None if not there."""
    whole = pd.to_numeric(variants.parameters[variants.weights == "float32"], errors="coerce")
    return int(whole.iloc[0]) if whole.notna().any() else None


def shown_table(table: pd.DataFrame) -> dict[str, Any]:
    """Headings and rows of a table; the columns x, x_low and x_high become x with an interval.

    A row is a list of (value, low, high); low and high are None where a column has no interval.
    """
    ends = {f"{name}{end}" for name in table.columns for end in ENDS[1:]}
    names = [name for name in table.columns if name not in ends]
    if "column" in table:
        table = table.assign(column=table["column"].map(head))
    rows = [
        [tuple(row.get(f"{name}{end}") for end in ENDS) for name in names]
        for row in table.to_dict("records")
    ]
    return {"heads": [head(name) for name in names], "rows": rows}


def head(name: object) -> str:
    name = str(name)  # a damaged table has nothing, or a number, in the place of a name
    return HEADS.get(name, name.replace("_", " "))


def confusion_cells(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> list[dict[str, Any]]:
    """A row for each true class: its name, and count and share of the row for each answer."""
    counts, shares = confusion_table(labels, probabilities)
    return [
        {"name": name, "cells": list(zip(row.tolist(), of_row.tolist(), strict=True))}
        for name, row, of_row in zip(CLASSES, counts, np.nan_to_num(shares), strict=True)
    ]


def split_table(split: pd.DataFrame) -> list[dict[str, Any]]:
    """Images and lesions of each class, and of all, in each part of the split: part -> (n, n)."""
    rows = []
    for name in (*CLASSES, "all"):
        of_class = split if name == "all" else split[split.dx == name]
        parts = {part: of_class.lesion_id[of_class.split == part] for part in SETS}
        counts = {part: (len(lesions), lesions.nunique()) for part, lesions in parts.items()}
        rows.append({"name": name, "parts": counts})
    return rows


def shared_lesions(split: pd.DataFrame) -> int:
    """How many lesions have images in more than one part of the split; 0 unless it leaks."""
    return int((split.groupby("lesion_id")["split"].nunique() > 1).sum())


def flat(nested: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Every leaf of nested mappings as (its path joined by points, its text)."""
    leaves: list[tuple[str, str]] = []
    for key, value in nested.items():
        if isinstance(value, Mapping):
            leaves += [(f"{key}.{path}", text) for path, text in flat(value)]
        elif isinstance(value, list | tuple):
            leaves.append((key, ", ".join(map(str, value))))
        else:
            leaves.append((key, str(value)))
    return leaves


def shown(value: float | int | str | None) -> str:
    """A number as the report writes it: three digits, whole numbers in groups, a dash for none."""
    if isinstance(value, str):
        return value
    if value is None or np.isnan(value):
        return "–"
    if isinstance(value, int | np.integer):
        return f"{value:,}"
    return f"{value:.3f}"
