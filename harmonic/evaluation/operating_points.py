"""Melanoma, and malignant against benign, at a threshold that was chosen before the test.

A screening question has two answers and a price for each mistake, so one says how many of the
others may be alarmed for nothing (1 - specificity) and asks how many of the sought are found. The
threshold that keeps the specificity is chosen on the validation set; on the test set both figures
are what they turn out to be.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import with_interval
from harmonic.evaluation.checks import checked_pair
from harmonic.evaluation.weighted import weighted_auc

TARGETS = {"melanoma": ("mel",), "malignant": ("mel", "bcc", "akiec")}
"""What is sought; actinic keratosis and Bowen's disease count as malignant, as is usual."""

SPECIFICITIES = (0.90, 0.95)
AS_GOOD = 1e-3
"""How far a threshold may lie from the one that another machine chooses with the same network."""


def operating_points(
    val_labels: ArrayLike,
    val_balanced: ArrayLike,
    answers: Answers,
    weights: NDArray[np.float64],
    *,
    thresholds: Mapping[tuple[str, float], float] | None = None,
) -> pd.DataFrame:
    """A row for each of TARGETS and SPECIFICITIES that both sets have both sides of.

    Columns: target, wanted_specificity, threshold (on the sum of the target's probabilities under
    the balanced rule; above it is an alarm), positives (test images of the target), and
    sensitivity, specificity, ppv, npv, auc on the test set, each with `_low` and `_high` (95 %,
    the threshold held). Rounded to DIGITS; a figure that does not exist is NaN.

    Args:
        val_labels, val_balanced: class numbers (m,) and probabilities (m, 7) of the validation set;
            InputError where they are none.
        answers, weights: of the test set, and of its resamples (B, n).
        thresholds: of a run, by target and wanted specificity; taken where they are as good.
    """
    val_known, val_probabilities = checked_pair(val_labels, val_balanced, "validation")
    weights = np.concatenate([np.ones((1, len(answers.labels))), weights])
    rows = []
    for target, names in TARGETS.items():
        classes = [CLASSES.index(name) for name in names]
        val_positive, positive = np.isin(val_known, classes), np.isin(answers.labels, classes)
        if len({*val_positive.tolist()}) < 2 or len({*positive.tolist()}) < 2:
            continue
        val_score = val_probabilities[:, classes].sum(axis=1)
        score = answers.balanced[:, classes].sum(axis=1)
        area = weighted_auc(positive, score, weights)
        for wanted in SPECIFICITIES:
            threshold = threshold_for(val_score[~val_positive], wanted)
            known = (thresholds or {}).get((target, wanted), threshold)
            if abs(known - round(threshold, 6)) > 1e-9 and abs(known - threshold) <= AS_GOOD:
                threshold = known
            figures = binary_figures(positive, score > threshold, weights) | {"auc": area}
            row: dict[str, float | str] = {
                "target": target,
                "wanted_specificity": wanted,
                "threshold": round(threshold, 6),
                "positives": int(positive.sum()),
            }
            for name, values in figures.items():
                row |= with_interval(name, values)
            rows.append(row)
    return pd.DataFrame(rows)


def threshold_for(negatives: NDArray[np.float64], specificity: float) -> float:
    """The lowest score with at least this share of the negatives at or below it."""
    if not 0 < specificity <= 1 or len(negatives) == 0:
        raise InputError(f"specificity {specificity} of {len(negatives)} scores; 0 to 1 of some")
    place = int(np.ceil(round(specificity * len(negatives), 9))) - 1
    return float(np.sort(negatives)[place])


def binary_figures(
    positive: NDArray[np.bool_], alarm: NDArray[np.bool_], weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Sensitivity, specificity, PPV and NPV of each weighted copy (B,); NaN for 0 / 0."""
    hits, misses = weights @ (positive & alarm), weights @ (positive & ~alarm)
    false_alarms, rejected = weights @ (~positive & alarm), weights @ (~positive & ~alarm)
    with np.errstate(invalid="ignore"):
        return {
            "sensitivity": hits / (hits + misses),
            "specificity": rejected / (rejected + false_alarms),
            "ppv": hits / (hits + false_alarms),
            "npv": rejected / (rejected + misses),
        }


def operating_metrics(table: pd.DataFrame) -> dict[str, float]:
    """The table flat: `<target>_auc`, `<target>_sensitivity_at_90`, `_specificity_at_90_low` …"""
    found = {}
    for row in table.to_dict("records"):
        percent = round(100 * row["wanted_specificity"])
        for end in ("", "_low", "_high"):
            found[f"{row['target']}_auc{end}"] = row[f"auc{end}"]
            for name in ("sensitivity", "specificity"):
                found[f"{row['target']}_{name}_at_{percent}{end}"] = row[f"{name}{end}"]
    return {name: value for name, value in found.items() if np.isfinite(value)}
