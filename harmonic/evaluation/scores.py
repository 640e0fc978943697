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

DIGITS_OF_EXPONENT = 6
"""More than of other figures, as the natural rule's answers are made again with it."""


@dataclass(frozen=True)
class Scores:
    """What follows from a network's answers."""

    figures: dict[str, float]
    """Flat: figures, and the ends of their intervals as `_low` and `_high`."""
    tables: dict[str, pd.DataFrame]
    """confusion, per_class, operating_points (with a validation set), subgroups (with an index)."""


def scores_of(
    answers: Answers,
    val_labels: ArrayLike | None = None,
    val_balanced: ArrayLike | None = None,
    *,
    temperature: float | None = None,
    resamples: int,
    seed: int,
    index: pd.DataFrame | None = None,
    thresholds: Mapping[tuple[str, float], float] | None = None,
) -> Scores:
    """Evaluate a calibrated network; for the other arguments see the functions of the tables.

    answers: of the test set by both rules, scaled with `temperature`, with the class counts of
    training and the exponent of their shares. resamples, seed: of the bootstrap over lesions.
    Without a validation set there are no operating points, and without a temperature (several
    networks) no figures before scaling.
    """
    weights = resampled_weights(answers.labels, answers.lesions, resamples=resamples, seed=seed)
    figures = metrics_document(answers, weights) | lesion_metrics(answers, weights)
    if temperature is not None:
        counts = answers.class_counts or ()
        before = metrics_of(
            answers.labels, uncalibrated_rule(answers.balanced, counts, temperature)
        )
        figures |= {f"{name}_uncalibrated": round(before[name], DIGITS) for name in UNCALIBRATED}
        figures["temperature"] = round(temperature, DIGITS)
        figures["prior_exponent"] = round(answers.prior_exponent, DIGITS_OF_EXPONENT)
    names = np.array(CLASSES)
    tables = {
        "confusion": pd.DataFrame(
            {"actual": names[answers.labels], "predicted": names[answers.balanced.argmax(axis=1)]}
        ),
        "per_class": per_class_document(answers, weights),
    }
    if val_labels is not None and val_balanced is not None:
        points = operating_points(val_labels, val_balanced, answers, weights, thresholds=thresholds)
        figures |= operating_metrics(points)
        tables["operating_points"] = points
    if index is not None:
        tables["subgroups"] = subgroup_table(index, answers, resamples=resamples, seed=seed)
    return Scores(figures, tables)
