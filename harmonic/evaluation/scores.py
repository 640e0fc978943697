"""From a network's answers to all that is said about them: what `evaluate` writes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from harmonic.data.classes import CLASSES
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import (
    DIGITS,
    lesion_metrics,
    metrics_document,
    per_class_document,
    resampled_weights,
)
from harmonic.evaluation.metrics import UNCALIBRATED, metrics_of
from harmonic.evaluation.operating_points import operating_metrics, operating_points
from harmonic.evaluation.rules import uncalibrated_rule
from harmonic.evaluation.subgroups import subgroup_table


@dataclass(frozen=True)
class Scores:
    """What follows from a network's answers."""

    figures: dict[str, float]
    """Flat: figures, and the ends of their intervals as `_low` and `_high`."""
    tables: dict[str, pd.DataFrame]
    """confusion, per_class, operating_points and, where people are known, subgroups."""


def scores_of(
    answers: Answers,
    val_labels: ArrayLike,
    val_balanced: ArrayLike,
    *,
    temperature: float,
    resamples: int,
    seed: int,
    index: pd.DataFrame | None = None,
    thresholds: Mapping[tuple[str, float], float] | None = None,
) -> Scores:
    """Evaluate a calibrated network; for the other arguments see the functions of the tables.

    answers: of the test set by both rules, scaled with `temperature`, with the class counts of
    training. resamples, seed: of the bootstrap over lesions.
    """
    weights = resampled_weights(answers.labels, answers.lesions, resamples=resamples, seed=seed)
    points = operating_points(val_labels, val_balanced, answers, weights, thresholds=thresholds)
    before_scaling = metrics_of(
        answers.labels,
        uncalibrated_rule(answers.balanced, answers.class_counts or (), temperature),
    )
    figures = {
        **metrics_document(answers, weights),
        **lesion_metrics(answers, weights),
        **{f"{name}_uncalibrated": round(before_scaling[name], DIGITS) for name in UNCALIBRATED},
        **operating_metrics(points),
        "temperature": round(temperature, DIGITS),
    }
    names = np.array(CLASSES)
    tables = {
        "confusion": pd.DataFrame(
            {"actual": names[answers.labels], "predicted": names[answers.balanced.argmax(axis=1)]}
        ),
        "per_class": per_class_document(answers, weights),
        "operating_points": points,
    }
    if index is not None:
        tables["subgroups"] = subgroup_table(index, answers, resamples=resamples, seed=seed)
    return Scores(figures, tables)
