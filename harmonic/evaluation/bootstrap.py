"""95 % intervals by resampling lesions, and the metrics file that holds them.

Photographs of one lesion are no independent observations, so lesions are drawn, with replacement,
as many of each class as the test set has; an image weighs as often as its lesion was drawn
(Efron & Tibshirani 1993, ch. 13; Field & Welsh 2007 for clusters).
"""

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from harmonic.errors import InputError
from harmonic.evaluation.checks import checked_lesions, checked_pair
from harmonic.evaluation.metrics import headline_metrics, per_class_table
from harmonic.evaluation.weighted import weighted_metrics, weighted_per_class

INTERVAL_METRICS = (
    "balanced_accuracy",
    "macro_f1",
    "macro_auc",
    "accuracy",
    "weighted_precision",
    "weighted_recall",
    "weighted_f1",
    "mcc",
    "ece",
    "brier",
    "log_loss",
)
"""The metrics of `headline_metrics` that get an interval, each under the rule it is at home in."""

QUANTILES = (0.025, 0.975)
DIGITS = 4
RESAMPLES_AT_ONCE = 250


def metrics_document(
    labels: ArrayLike,
    lesions: Sequence[str] | NDArray,
    balanced: ArrayLike,
    natural: ArrayLike,
    *,
    resamples: int,
    seed: int,
) -> dict[str, float]:
    """What reports/metrics.json holds: flat, keys sorted, values rounded to DIGITS digits.

    Everything of `headline_metrics`, `_low` and `_high` for each of INTERVAL_METRICS, and the
    sizes `test_images` and `test_lesions`. A figure that does not exist (see `headline_metrics`)
    is left out, as JSON has no NaN. Arguments and errors are those of `bootstrap_intervals`.
    """
    document = headline_metrics(labels, balanced, natural)
    intervals = bootstrap_intervals(
        labels, lesions, balanced, natural, resamples=resamples, seed=seed
    )
    for name, (low, high) in intervals.items():
        document[f"{name}_low"], document[f"{name}_high"] = low, high
    rounded = {name: round(value, DIGITS) for name, value in document.items() if np.isfinite(value)}
    rounded["test_images"] = len(np.asarray(labels))
    rounded["test_lesions"] = len(np.unique(np.asarray(lesions).astype(str)))
    return dict(sorted(rounded.items()))


def per_class_document(
    labels: ArrayLike,
    lesions: Sequence[str] | NDArray,
    balanced: ArrayLike,
    *,
    resamples: int,
    seed: int,
) -> pd.DataFrame:
    """`per_class_table` with `_low` and `_high` beside every figure: reports/per_class.csv.

    95 % percentiles over the resamples in which the figure exists, rounded to DIGITS digits.
    Arguments and errors are those of `bootstrap_intervals`.
    """
    known, probabilities = checked_pair(labels, balanced, "balanced probabilities")
    table = per_class_table(known, probabilities)
    weights = resampled_weights(known, lesions, resamples=resamples, seed=seed)
    parts = np.split(weights, range(RESAMPLES_AT_ONCE, resamples, RESAMPLES_AT_ONCE))
    blocks = [weighted_per_class(known, probabilities, part) for part in parts]
    columns: dict[str, NDArray] = {"class": table["class"], "n": table["n"]}
    for name in table.columns.drop(["class", "n"]):
        values = np.concatenate([block[name] for block in blocks])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a column of NaN stays NaN
            low, high = np.nanquantile(values, QUANTILES, axis=0)
        exists = table[name].notna()
        columns |= {name: table[name], f"{name}_low": np.where(exists, low, np.nan)}
        columns[f"{name}_high"] = np.where(exists, high, np.nan)
    return pd.DataFrame(columns).round(DIGITS)


def bootstrap_intervals(
    labels: ArrayLike,
    lesions: Sequence[str] | NDArray,
    balanced: ArrayLike,
    natural: ArrayLike,
    *,
    resamples: int,
    seed: int,
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of INTERVAL_METRICS over resampled lesions, stratified by class.

    The order of the images does not matter. A class with one lesion adds no spread, so intervals
    of a test set with very few lesions in a class are too narrow.

    The ECE needs one step more: chance gaps in the bins add to it, and a resample has them twice,
    once from the test set and once from the resampling. Its percentiles are therefore shifted back
    by the mean excess over the estimate (not below 0).

    Args:
        labels: class numbers (n,), n >= 1.
        lesions: lesion id of each image (n,); all images of a lesion have one label.
        balanced: probabilities (n, 7) under the balanced rule.
        natural: probabilities (n, 7) under the natural rule.
        resamples: number of resamples, >= 1; 1,000 or more for figures to be published.
        seed: of the resampling, >= 0.

    Raises:
        InputError: an argument is not as described.
    """
    known, of_balanced = checked_pair(labels, balanced, "balanced probabilities")
    known, of_natural = checked_pair(labels, natural, "natural probabilities")
    weights = resampled_weights(known, lesions, resamples=resamples, seed=seed)
    blocks = [
        weighted_metrics(known, of_balanced, of_natural, weights[first : first + RESAMPLES_AT_ONCE])
        for first in range(0, resamples, RESAMPLES_AT_ONCE)
    ]
    once = weighted_metrics(known, of_balanced, of_natural, np.ones((1, len(known))))
    intervals = {}
    for name in INTERVAL_METRICS:
        values = np.concatenate([block[name] for block in blocks])
        low, high = np.quantile(values, QUANTILES)
        if name == "ece":
            excess = values.mean() - once[name][0]
            low, high = max(low - excess, 0.0), max(high - excess, 0.0)
        intervals[name] = (float(low), float(high))
    return intervals


def resampled_weights(
    labels: NDArray[np.int64], lesions: Sequence[str] | NDArray, *, resamples: int, seed: int
) -> NDArray[np.float64]:
    """How often each image counts in each resample: whole numbers as float64 (resamples, n).

    Within each class as many lesions are drawn, with replacement, as it has. Raises InputError for
    a lesion with two labels, resamples < 1, or a negative seed.
    """
    ids = checked_lesions(lesions, len(labels))
    if resamples < 1:
        raise InputError(f"bootstrap resamples: {resamples}; at least 1")
    if seed < 0:
        raise InputError(f"bootstrap seed: {seed}; allowed is 0 or more")
    names, first, lesion_of_image = np.unique(ids, return_index=True, return_inverse=True)
    label_of_lesion = labels[first]
    torn = np.nonzero(label_of_lesion[lesion_of_image] != labels)[0]
    if torn.size:
        raise InputError(f"lesion {ids[torn[0]]}: images with two labels; a lesion has one")
    random = np.random.default_rng(seed)
    counts = np.zeros((resamples, len(names)))
    rows = np.arange(resamples)[:, None]
    for label in np.unique(label_of_lesion):
        members = np.nonzero(label_of_lesion == label)[0]
        drawn = random.integers(len(members), size=(resamples, len(members)))
        cells = (rows * len(members) + drawn).ravel()
        counted = np.bincount(cells, minlength=resamples * len(members))
        counts[:, members] = counted.reshape(resamples, len(members))
    return counts[:, lesion_of_image]
