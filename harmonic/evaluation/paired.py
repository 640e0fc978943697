"""Two kinds of network on the same test images: how far apart, and how sure that is.

Two things are left to chance: which lesions happen to be in the test set, and which seed a network
was trained from. Runs are paired over both, so what they share cancels out. Of the S paired runs
let d_s be the difference on the test set, and d_s* the one on resampled lesions.

- Over lesions: percentiles of the mean of d_s* over s (bootstrap, stratified by class).
- Over seeds: Student's t on the d_s, as S is small; resampling three seeds gives intervals that are
  far too narrow.
- Over both: for each resample, the mean of the d_s* plus (deviation of the d_s / sqrt S) times a
  value drawn from Student's t with S - 1 degrees of freedom. Without chance in the lesions it is
  the t interval, without chance in the seeds the bootstrap interval.

One pair of runs has no interval over seeds: it tells of two networks, never of two kinds.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from harmonic.errors import InputError
from harmonic.evaluation.bootstrap import RESAMPLES_AT_ONCE, resampled_weights
from harmonic.evaluation.checks import checked_pair
from harmonic.evaluation.lesion_level import by_lesion
from harmonic.evaluation.weighted import (
    class_scores,
    weighted_auc,
    weighted_confusion,
    weighted_macro_auc,
)

Statistic = Callable[
    [NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]
]
"""Labels (n,), probabilities (n, 7), weights (B, n) to a figure for each row of weights (B,)."""

T_STRATA = 100
"""Draws of Student's t that each resample of the lesions is joined with."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Difference:
    """Second minus first, in the unit of the statistic. Intervals are (low, high)."""

    first: float
    """Mean over the runs of the first kind."""
    second: float
    value: float
    per_seed: tuple[float, ...]
    over_lesions: Interval | None
    """None where the answers for the lesions are not known."""
    over_seeds: Interval | None
    """None with one pair of runs."""
    over_both: Interval | None
    """None where one of the two is."""

    @property
    def interval(self) -> Interval:
        """The widest that there is: over both, else over lesions, else over seeds."""
        found = self.over_both or self.over_lesions or self.over_seeds
        if found is None:
            raise ValueError("a difference without an interval")
        return found


def paired_difference(
    labels: ArrayLike,
    lesions: Sequence[str] | NDArray,
    first: ArrayLike,
    second: ArrayLike,
    statistic: Statistic,
    *,
    resamples: int,
    seed: int,
    confidence: float = 0.95,
) -> Difference:
    """The difference of a figure between S runs of one kind and S of another, with intervals.

    Args:
        labels: class numbers (n,).
        lesions: lesion id of each image (n,).
        first, second: probabilities (S, n, 7); runs of one row share the seed.
        statistic: what is compared; see STATISTICS, `sensitivity_of`, `auc_of`.
        resamples, seed: of the bootstrap.
        confidence: of the intervals, between 0 and 1.

    Raises:
        InputError: shapes differ or an argument is not as described.
    """
    one, other = np.asarray(first), np.asarray(second)
    if one.shape != other.shape or one.ndim != 3 or len(one) == 0:
        raise InputError(
            f"paired runs: shapes {one.shape} and {other.shape}; both must be (runs, images, 7)"
        )
    if not 0 < confidence < 1:
        raise InputError(f"confidence: {confidence}; allowed is a number between 0 and 1")
    pairs = [
        (checked_pair(labels, a, "first run")[1], checked_pair(labels, b, "second run")[1])
        for a, b in zip(one, other, strict=True)
    ]
    known, _ = checked_pair(labels, one[0], "first run")
    once = np.ones((1, len(known)))
    values = np.array([[statistic(known, p, once)[0] for p in pair] for pair in pairs])
    weights = resampled_weights(known, lesions, resamples=resamples, seed=seed)
    resampled = np.array([_differences(known, a, b, weights, statistic) for a, b in pairs])
    per_seed = values[:, 1] - values[:, 0]
    return Difference(
        first=float(values[:, 0].mean()),
        second=float(values[:, 1].mean()),
        value=float(per_seed.mean()),
        per_seed=tuple(per_seed.tolist()),
        over_lesions=_percentiles(resampled.mean(axis=0), confidence),
        over_seeds=seed_interval(per_seed, confidence),
        over_both=_over_both(resampled, per_seed, seed, confidence) if len(pairs) > 1 else None,
    )


def seed_interval(differences: ArrayLike, confidence: float = 0.95) -> Interval | None:
    """Student's t interval of the mean of paired differences (S,); None where S is 1."""
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        return None
    half = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1)
    half /= np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def only_one_right(
    labels: ArrayLike, lesions: Sequence[str] | NDArray, first: ArrayLike, second: ArrayLike
) -> tuple[int, int, float]:
    """McNemar's exact test, a lesion a case: right by the first alone, by the second alone, p.

    The answer for a lesion is the class of the highest mean probability over its images. Under the
    hypothesis that both are right equally often, each of the two counts is half of their sum in the
    mean, by a binomial law; p is two-sided, and 1 where the answers agree everywhere.
    """
    right = []
    for probabilities in (first, second):
        lesion_labels, _, pooled = by_lesion(labels, lesions, probabilities)
        right.append(pooled.argmax(axis=1) == lesion_labels)
    first_alone, second_alone = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
    cases = first_alone + second_alone
    p = float(stats.binomtest(first_alone, cases).pvalue) if cases else 1.0
    return first_alone, second_alone, p


def balanced_accuracy(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    confusion = weighted_confusion(labels, probabilities.argmax(axis=1), weights)
    _, recall, _ = class_scores(confusion)
    return recall[:, np.unique(labels)].mean(axis=1)


def macro_f1(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    confusion = weighted_confusion(labels, probabilities.argmax(axis=1), weights)
    _, _, f1 = class_scores(confusion)
    return f1[:, np.unique(labels)].mean(axis=1)


STATISTICS: dict[str, Statistic] = {
    "balanced_accuracy": balanced_accuracy,
    "macro_f1": macro_f1,
    "macro_auc": weighted_macro_auc,
}
"""What probabilities under the balanced rule suffice for, by its name in metrics.json."""


def sensitivity_of(label: int) -> Statistic:
    """Share of the images of a class that are answered with it."""

    def statistic(labels: NDArray, probabilities: NDArray, weights: NDArray) -> NDArray[np.float64]:
        mine = weights * (labels == label)
        found: NDArray[np.float64] = mine @ (probabilities.argmax(axis=1) == label) / mine.sum(1)
        return found

    return statistic


def auc_of(label: int) -> Statistic:
    """One-against-rest AUC of a class."""

    def statistic(labels: NDArray, probabilities: NDArray, weights: NDArray) -> NDArray[np.float64]:
        return weighted_auc(labels == label, probabilities[:, label], weights)

    return statistic


def _differences(
    labels: NDArray[np.int64],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    weights: NDArray[np.float64],
    statistic: Statistic,
) -> NDArray[np.float64]:
    blocks = [
        statistic(labels, second, some) - statistic(labels, first, some)
        for some in np.split(weights, range(RESAMPLES_AT_ONCE, len(weights), RESAMPLES_AT_ONCE))
    ]
    return np.concatenate(blocks)


def _over_both(
    resampled: NDArray[np.float64], per_seed: NDArray[np.float64], seed: int, confidence: float
) -> Interval:
    """Quantiles of the resampled mean plus the seeds' error times a t variable.

    With three seeds its tails are so long that a draw a resample leaves the ends to chance: every
    resample meets T_STRATA draws instead, one from each of as many equally probable parts of t.
    """
    random = np.random.default_rng([seed, 1])  # not the stream that drew the lesions
    means = resampled.mean(axis=0)
    within = random.random((T_STRATA, len(means)))
    probabilities = (np.arange(T_STRATA)[:, None] + within) / T_STRATA
    drawn = stats.t.ppf(probabilities, len(per_seed) - 1)
    error = per_seed.std(ddof=1) / np.sqrt(len(per_seed))
    if error == 0:
        return _percentiles(means, confidence)
    return _percentiles((means + error * drawn).ravel(), confidence)


def _percentiles(values: NDArray[np.float64], confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, (tail, 1 - tail))
    return float(low), float(high)
