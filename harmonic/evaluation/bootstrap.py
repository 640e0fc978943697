"""95 % intervals by resampling lesions, and the figures that have them.

Photographs of one lesion are no independent observations, so lesions are drawn, with replacement,
as many of each class as the test set has; an image weighs as often as its lesion was drawn
(Efron & Tibshirani 1993, ch. 13; Field & Welsh 2007 for clusters).

`resampled_weights` draws once for all that is said of a test set: every function here takes answers
and the weights (B, n) of B resamples of their images.
"""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.checks import checked_lesions
from harmonic.evaluation.metrics import (
    BALANCED_METRICS,
    majority_baseline,
    metrics_of_rules,
    per_class_table,
)
from harmonic.evaluation.weighted import STATISTICS, Statistic, weighted_per_class

LESION_METRICS = ("balanced_accuracy", "macro_f1", "macro_auc", "accuracy")
QUANTILES = (0.025, 0.975)
DIGITS = 4
SAME = 1e-9
"""Figures closer than this agree, but for the order of sums."""
RESAMPLES_AT_ONCE = 250
LEAST_RESAMPLES = 100
"""Of an interval that is told: from fewer its ends are chance; params.yaml has the same bound."""


def check_resamples(name: str, resamples: int) -> None:
    """Raises InputError, naming the option, for fewer than LEAST_RESAMPLES."""
    if resamples < LEAST_RESAMPLES:
        raise InputError(f"{name} {resamples}: at least {LEAST_RESAMPLES}")


def resampled_weights(
    labels: NDArray[np.int64], lesions: Sequence[str] | NDArray, *, resamples: int, seed: int
) -> NDArray[np.float64]:
    """How often each image counts in each resample: whole numbers as float64 (resamples, n).

    Within each class as many lesions are drawn, with replacement, as it has. 1,000 resamples or
    more are for figures to be published. A class with one lesion adds no spread, so intervals of a
    test set with very few lesions in a class are too narrow.

    Raises InputError for a lesion with two labels, resamples < 1, or a negative seed.
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


def in_parts(weights: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """The rows of weights, so many at once that what is made of them fits into memory."""
    return np.split(weights, range(RESAMPLES_AT_ONCE, len(weights), RESAMPLES_AT_ONCE))


def resampled(
    statistic: Statistic,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """The figure in each resample, (B,)."""
    return np.concatenate([statistic(labels, probabilities, part) for part in in_parts(weights)])


def metrics_document(answers: Answers, weights: NDArray[np.float64]) -> dict[str, float]:
    """The figures of a test set: flat, keys sorted, values rounded to DIGITS digits.

    Those of `headline_metrics`, `_low` and `_high` of `bootstrap_intervals`, and `test_images` and
    `test_lesions`; those that do not exist are left out, as JSON has no NaN. Raises InputError
    where the natural rule's answers are not known.
    """
    document = metrics_of_rules(answers.labels, answers.balanced, natural_of(answers))
    document |= majority_baseline(answers.labels)
    for name, (low, high) in bootstrap_intervals(answers, weights).items():
        document[f"{name}_low"], document[f"{name}_high"] = low, high
    rounded = {name: round(value, DIGITS) for name, value in document.items() if np.isfinite(value)}
    rounded["test_images"] = len(answers.labels)
    rounded["test_lesions"] = len(np.unique(answers.lesions))
    return dict(sorted(rounded.items()))


def lesion_metrics(answers: Answers, weights: NDArray[np.float64]) -> dict[str, float]:
    """LESION_METRICS with a lesion as a case, each as `lesion_<name>`, `_low` and `_high`."""
    _, first = np.unique(answers.lesions, return_index=True)
    document = metrics_document(answers.by_lesion(), weights[:, first])
    wanted = [f"{name}{end}" for name in LESION_METRICS for end in ("", "_low", "_high")]
    return {f"lesion_{name}": document[name] for name in wanted if name in document}


def bootstrap_intervals(
    answers: Answers, weights: NDArray[np.float64]
) -> dict[str, tuple[float, float]]:
    """95 % percentile intervals of STATISTICS, each under the rule it is at home in.

    The ECE needs one step more: chance gaps in the bins add to it, and a resample has them twice,
    once from the test set and once from the resampling. Its percentiles are therefore shifted back
    by the mean excess over the estimate (not below 0).

    NaN where all resamples agree, as `known_ends` has it.
    """
    intervals = {}
    for name, statistic in STATISTICS.items():
        rule = answers.balanced if name in BALANCED_METRICS else natural_of(answers)
        values = resampled(statistic, answers.labels, rule, weights)
        low, high = known_ends(values)
        if name == "ece":
            once = statistic(answers.labels, rule, np.ones((1, len(rule))))[0]
            excess = values.mean() - once
            low, high = max(low - excess, 0.0), max(high - excess, 0.0)
        intervals[name] = (float(low), float(high))
    return intervals


def per_class_document(answers: Answers, weights: NDArray[np.float64]) -> pd.DataFrame:
    """`per_class_table` with `_low` and `_high` beside every figure: reports/per_class.csv.

    95 % percentiles over the resamples in which the figure exists, rounded to DIGITS digits.
    """
    table = per_class_table(answers.labels, answers.balanced)
    parts = [weighted_per_class(answers.labels, answers.balanced, one) for one in in_parts(weights)]
    columns: dict[str, NDArray] = {"class": table["class"], "n": table["n"]}
    for name in table.columns.drop(["class", "n"]):
        low, high = known_ends(np.concatenate([part[name] for part in parts]))
        exists = table[name].notna()
        columns |= {name: table[name], f"{name}_low": np.where(exists, low, np.nan)}
        columns[f"{name}_high"] = np.where(exists, high, np.nan)
    return pd.DataFrame(columns).round(DIGITS)


def known_ends(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """95 % percentiles over the first axis where figures exist.

    NaN where none does, and where all resamples agree: of so few cases no interval can be told.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        low, high = np.nanquantile(values, QUANTILES, axis=0)
    return np.where(high - low < SAME, np.nan, [low, high])


def with_interval(name: str, values: NDArray[np.float64]) -> dict[str, float]:
    """The first value, and the 95 % percentiles of the others as `_low` and `_high`, rounded."""
    found = dict(
        zip(
            (name, f"{name}_low", f"{name}_high"), (values[0], *known_ends(values[1:])), strict=True
        )
    )
    return {key: round(float(value), DIGITS) for key, value in found.items()}


def interval_text(document: Mapping[str, float], name: str) -> str:
    """The interval of a figure among those of a run, or that there is none, in brackets."""
    if f"{name}_low" not in document:
        return "[no interval: all resamples agree]"
    return f"[{document[f'{name}_low']:.3f}, {document[f'{name}_high']:.3f}]"


def natural_of(answers: Answers) -> NDArray[np.float64]:
    if answers.natural is None:
        raise InputError("answers: those of the natural rule are not known")
    return answers.natural
