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

Of few lesions a bootstrap is surer than it may be (of one that differs, its interval has no
width), so a difference is told only where an exact test agrees, the two trained networks held:

- If both kinds are alike, a lesion's answers might as well have come from the other one. Exchanging
  them for any set of lesions gives differences as probable as the one seen, and p is the share of
  those that are as large (`exchange_test`).
- Only lesions that the two answer differently matter. With n of them there are 2^n differences in
  pairs of opposite sign, so p is 2 / 2^n at the least: from `fewest_differing` of them on, and not
  before, it can be as small as it must be (6 for p <= 0.05; more for several comparisons). No test
  set with fewer lesions can show anything.
- Two seeds suffice for an interval over seeds, unless all differ by the same amount: a deviation of
  zero is no estimate of the chance in the seeds.
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

SAME = 1e-12
"""Differences of seeds closer than this are the same, but for the order of sums."""

EXCHANGES = 2000
"""Drawn for the exact test where there are more; so up to 11 lesions that differ, all are tried."""

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
    confidence: float = 0.95
    differing: int | None = None
    """Lesions that the two answer differently; without answers, the test lesions if known."""
    p: float | None = None
    """Of `exchange_test`; None without answers, and where it was not asked for."""

    @property
    def interval(self) -> Interval:
        """The widest that there is: over both, else over lesions, else over seeds."""
        found = self.over_both or self.over_lesions or self.over_seeds
        if found is None:
            raise ValueError("a difference without an interval")
        return found

    @property
    def too_few(self) -> str:
        """What is too little to tell anything, whatever the intervals are; "" where nothing is."""
        needed = fewest_differing(1 - self.confidence)
        if self.differing is not None and self.differing < needed:
            most = "at most " if self.over_lesions is None else ""
            lesions = "lesion" if self.differing == 1 else "lesions"
            return (
                f"{most}{self.differing} {lesions} answered differently, at least {needed} needed"
            )
        if len(self.per_seed) > 1 and np.ptp(self.per_seed) < SAME:
            return f"{len(self.per_seed)} seeds, one difference: nothing is known of their chance"
        return ""

    @property
    def told(self) -> bool:
        """Whether it may be said that the two differ: interval, exact test and numbers allow it.

        Raises ValueError where there are answers, but the exact test was not asked for.
        """
        if self.p is None and self.over_lesions is not None:
            raise ValueError("a difference without its exact test")
        low, high = self.interval
        beyond = low > 0 or high < 0  # neither holds for NaN
        return beyond and not self.too_few and (self.p is None or self.p <= 1 - self.confidence)


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
    tested: bool = False,
) -> Difference:
    """The difference of a figure between S runs of one kind and S of another, with intervals.

    Args:
        labels: class numbers (n,).
        lesions: lesion id of each image (n,).
        first, second: probabilities (S, n, 7); runs of one row share the seed.
        statistic: what is compared; see STATISTICS, `sensitivity_of`, `auc_of`.
        resamples, seed: of the bootstrap.
        confidence: of the intervals, between 0 and 1.
        tested: whether `exchange_test` is made as well, so that `told` can be asked.

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
    apart = differing_lesions(known, lesions, one, other, statistic)
    return Difference(
        first=float(values[:, 0].mean()),
        second=float(values[:, 1].mean()),
        value=float(per_seed.mean()),
        per_seed=tuple(per_seed.tolist()),
        over_lesions=_percentiles(resampled.mean(axis=0), confidence),
        over_seeds=seed_interval(per_seed, confidence),
        over_both=_over_both(resampled, per_seed, seed, confidence) if len(pairs) > 1 else None,
        confidence=confidence,
        differing=len(apart),
        p=exchange_test(known, lesions, pairs, statistic, apart, seed=seed) if tested else None,
    )


def fewest_differing(alpha: float) -> int:
    """The least number n of lesions answered differently with 2 / 2^n <= alpha; see above."""
    number = 1
    while 2 * 0.5**number > alpha * (1 + 1e-9):  # 1 - 0.95 is a little more or less than 0.05
        number += 1
    return number


def differing_lesions(
    labels: NDArray[np.int64],
    lesions: Sequence[str] | NDArray,
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    statistic: Statistic | None = None,
) -> list[str]:
    """The lesions that the two kinds, probabilities (S, n, 7), answer differently, by id.

    For a share of right answers: those with an answer right in one kind more often than in the
    other. For other figures of the answers: with another answer; for all else, figures without a
    statistic included: other probabilities.
    """
    ids = np.asarray(lesions).astype(str)
    names, lesion = np.unique(ids, return_inverse=True)
    if statistic in OF_RIGHT_ANSWERS:
        facts = [(p.argmax(axis=2) == labels).sum(axis=0)[:, None] for p in (first, second)]
    elif statistic in OF_ANSWERS:
        facts = [np.eye(p.shape[2])[p.argmax(axis=2)].sum(axis=0) for p in (first, second)]
    else:
        facts = [np.moveaxis(p, 0, 1).reshape(len(ids), -1) for p in (first, second)]
    sums = [np.zeros((len(names), one.shape[1])) for one in facts]
    for total, one in zip(sums, facts, strict=True):
        np.add.at(total, lesion, one)
    apart: list[str] = names[(sums[0] != sums[1]).any(axis=1)].tolist()
    return apart


def exchange_test(
    labels: NDArray[np.int64],
    lesions: Sequence[str] | NDArray,
    pairs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
    statistic: Statistic,
    apart: Sequence[str],
    *,
    seed: int,
) -> float:
    """p of the mean difference under exchange of the two kinds' answers, lesion by lesion.

    The answers of all seeds and photographs of a lesion are exchanged together, those of the
    lesions `apart` alone, as nothing changes with the others. All exchanges are tried where there
    are at most EXCHANGES, else so many of them, drawn with `seed`, and the one that was seen.
    """
    ids = np.asarray(lesions).astype(str)
    if len(apart) == 0:
        return 1.0
    free = len(apart) - 1  # exchanging all lesions only turns the sign: the last one may stay
    if 2**free <= EXCHANGES:
        drawn = (np.arange(2**free)[:, None] >> np.arange(free)) & 1
    else:
        random = np.random.default_rng([seed, 2])  # neither stream of the bootstrap
        drawn = random.integers(2, size=(EXCHANGES + 1, free))
        drawn[0] = 0
    known = np.tile(labels, 2)
    place = {name: number for number, name in enumerate(apart[:-1])}
    columns = np.array([place.get(name, free) for name in ids.tolist()])
    means = []
    for some in np.split(drawn, range(RESAMPLES_AT_ONCE, len(drawn), RESAMPLES_AT_ONCE)):
        stays = 1.0 - np.concatenate([some, np.zeros((len(some), 1), dtype=some.dtype)], axis=1)
        taken = stays[:, columns]
        of_first = np.concatenate([taken, 1 - taken], axis=1)
        found = [
            statistic(known, both, 1 - of_first) - statistic(known, both, of_first)
            for both in (np.concatenate(pair) for pair in pairs)
        ]
        means.append(np.mean(found, axis=0))
    sizes = np.abs(np.concatenate(means))
    return float((sizes >= sizes[0] - SAME).mean())


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

OF_RIGHT_ANSWERS = (balanced_accuracy,)
OF_ANSWERS = (macro_f1,)
"""Statistics that only count right answers, and those that only look at the answers."""


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
