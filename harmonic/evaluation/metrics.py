"""What a classifier is worth on a test set: figures of merit over all classes and for each class.

Probabilities come from two decision rules (`harmonic.evaluation.rules`). Each metric is at home
under one of them and bears its plain name there; under the other rule it has a suffix.
"""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from harmonic.data.classes import CLASSES
from harmonic.evaluation.checks import checked_labels, checked_pair
from harmonic.evaluation.weighted import (
    CALIBRATION_BINS,
    STATISTICS,
    confidence_bins,
    confusion_figures,
    weighted_confusion,
    weighted_per_class,
)

BALANCED_METRICS = ("balanced_accuracy", "macro_f1", "macro_auc")
"""At home under the balanced rule: every class weighs the same."""

NATURAL_METRICS = tuple(name for name in STATISTICS if name not in BALANCED_METRICS)
"""At home under the natural rule: every image weighs the same, and probabilities are meant."""

UNCALIBRATED = ("ece", "brier", "log_loss")
"""What calibration is for: these are given before it, too."""


def headline_metrics(
    labels: ArrayLike, balanced: ArrayLike, natural: ArrayLike
) -> dict[str, float]:
    """All metrics of both rules, and of the baseline that always answers the commonest class.

    BALANCED_METRICS are of `balanced`, with `_natural_rule` appended of `natural`;
    NATURAL_METRICS are of `natural`, with `_balanced_rule` appended of `balanced`.
    `majority_` with any of these names is `majority_baseline`.

    The answer is the class of the highest probability, the first of equals; means over classes run
    over those that `labels` (n,) holds; for what does not exist see `weighted`. Raises InputError,
    naming rule and row, where shapes differ, or an entry is no probability.
    """
    known, of_balanced = checked_pair(labels, balanced, "balanced probabilities")
    known, of_natural = checked_pair(labels, natural, "natural probabilities")
    return metrics_of_rules(known, of_balanced, of_natural) | majority_baseline(known)


def metrics_of_rules(
    labels: NDArray[np.int64], balanced: NDArray[np.float64], natural: NDArray[np.float64] | None
) -> dict[str, float]:
    """`headline_metrics` of what has been checked, without the baseline.

    Where the natural rule is not known, of the balanced one alone.
    """
    result: dict[str, float] = {}
    for probabilities, at_home, suffix in (
        (balanced, BALANCED_METRICS, "_balanced_rule"),
        (natural, NATURAL_METRICS, "_natural_rule"),
    ):
        if probabilities is not None:
            found = metrics_of(labels, probabilities)
            result |= {f"{name}{'' if name in at_home else suffix}": found[name] for name in found}
    return result


def metrics_of(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, float]:
    """Every metric of one rule."""
    once = np.ones((1, len(labels)))
    confusion = weighted_confusion(labels, probabilities.argmax(axis=1), once)
    found = confusion_figures(confusion, np.unique(labels))
    others = STATISTICS.keys() - found.keys()
    found |= {name: STATISTICS[name](labels, probabilities, once) for name in others}
    return {name: float(found[name][0]) for name in STATISTICS}


def majority_baseline(labels: ArrayLike) -> dict[str, float]:
    """Every metric, after `majority_`, of answering each image with the frequencies of `labels`.

    So the answer is always the commonest class: the best that can be had without looking.
    """
    known = checked_labels(labels)
    frequencies = np.bincount(known, minlength=len(CLASSES)) / len(known)
    found = metrics_of(known, np.tile(frequencies, (len(known), 1)))
    return {f"majority_{name}": value for name, value in found.items()}


def reliability_table(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> pd.DataFrame:
    """Per confidence bin that holds an image: low, high, n, confidence and accuracy (means)."""
    bins = confidence_bins(probabilities)
    found = pd.DataFrame(
        {
            "bin": bins,
            "confidence": probabilities.max(axis=1),
            "accuracy": (probabilities.argmax(axis=1) == labels).astype(np.float64),
        }
    ).groupby("bin")
    table = found.mean()
    table.insert(0, "n", found.size())
    table.insert(0, "high", (table.index + 1) / CALIBRATION_BINS)
    table.insert(0, "low", table.index / CALIBRATION_BINS)
    return table.reset_index(drop=True)


def per_class_table(labels: ArrayLike, balanced: ArrayLike) -> pd.DataFrame:
    """One row a class of CLASSES: class, n (images), and the figures of `weighted_per_class`.

    Raises InputError as `headline_metrics`.
    """
    known, probabilities = checked_pair(labels, balanced, "balanced probabilities")
    images = np.bincount(known, minlength=len(CLASSES))
    found = weighted_per_class(known, probabilities, np.ones((1, len(known))))
    figures = {name: values[0] for name, values in found.items()}
    return pd.DataFrame({"class": CLASSES, "n": images, **figures})
