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

One pair of runs has no interval over seeds: it tells of two networks, never of two kinds. When a
difference may be told: `harmonic.evaluation.difference`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from harmonic.errors import InputError
from harmonic.evaluation.answers import lesion_means
from harmonic.evaluation.bootstrap import resampled, resampled_weights
from harmonic.evaluation.checks import checked_labels, checked_pair
from harmonic.evaluation.difference import Difference, Interval
from harmonic.evaluation.exchange import EXCHANGES, differing_lesions, exchange_test
from harmonic.evaluation.metrics import BALANCED_METRICS
from harmonic.evaluation.weighted import STATISTICS as ALL
from harmonic.evaluation.weighted import Statistic

STATISTICS = {name: ALL[name] for name in BALANCED_METRICS}
"""What probabilities under the balanced rule suffice for, by its name in metrics.json."""

T_STRATA = 100
"""Draws of Student's t that each resample of the lesions is joined with."""


@dataclass(frozen=True)
class Paired:
    """S runs of one kind and S of another on the same n images, and B resamples of these."""

    labels: NDArray[np.int64]
    lesions: NDArray[np.str_]
    first: NDArray[np.float64]
    """Probabilities (S, n, 7); runs of one row share the seed."""
    second: NDArray[np.float64]
    weights: NDArray[np.float64]
    """(B, n), of `resampled_weights`."""
    seed: int
    """That the weights were drawn with; other streams of it draw the rest."""

    def by_lesion(self) -> "Paired":
        """The same with a lesion as a case, as `Answers.by_lesion` has it."""
        names, place = np.unique(self.lesions, return_index=True)
        first, second = (
            np.array([lesion_means(self.lesions, run) for run in runs])
            for runs in (self.first, self.second)
        )
        return Paired(self.labels[place], names, first, second, self.weights[:, place], self.seed)

    def exact_test(self, statistic: Statistic, exchanges: int) -> tuple[int, Callable[[], float]]:
        """How many lesions are answered differently, and what gives p of `exchange_test`."""
        of_test = (self.labels, self.lesions)
        apart = differing_lesions(*of_test, self.first, self.second, statistic)
        pairs = list(zip(self.first, self.second, strict=True))
        test = partial(exchange_test, *of_test, pairs, statistic, apart)
        return len(apart), partial(test, seed=self.seed, exchanges=exchanges)

    def difference(
        self, statistic: Statistic, confidence: float = 0.95, exchanges: int = EXCHANGES
    ) -> Difference:
        """The difference of a figure, with all intervals and its exact test."""
        once = np.ones((1, len(self.labels)))
        values, drawn = (
            [
                np.array([resampled(statistic, self.labels, run, weights) for run in runs])
                for runs in (self.first, self.second)
            ]
            for weights in (once, self.weights)
        )
        per_seed = (values[1] - values[0])[:, 0]
        means = (drawn[1] - drawn[0]).mean(axis=0)
        differing, exact = self.exact_test(statistic, exchanges)
        return Difference(
            first=float(values[0].mean()),
            second=float(values[1].mean()),
            value=float(per_seed.mean()),
            per_seed=tuple(per_seed.tolist()),
            over_lesions=_percentiles(means, confidence),
            over_seeds=seed_interval(per_seed, confidence),
            over_both=_over_both(means, per_seed, self.seed, confidence),
            confidence=confidence,
            differing=differing,
            exact=exact,
        )


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
    """`Paired.difference` of what is checked and resampled for it.

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
    known = checked_labels(labels)
    one, other = (
        np.array([checked_pair(known, run, f"{name} run")[1] for run in runs])
        for name, runs in (("first", one), ("second", other))
    )
    weights = resampled_weights(known, lesions, resamples=resamples, seed=seed)
    ids = np.asarray(lesions).astype(str)
    return Paired(known, ids, one, other, weights, seed).difference(statistic, confidence)


def seed_interval(differences: ArrayLike, confidence: float = 0.95) -> Interval | None:
    """Student's t interval of the mean of paired differences (S,); None where S is 1."""
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        return None
    half = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1)
    half /= np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def _over_both(
    means: NDArray[np.float64], per_seed: NDArray[np.float64], seed: int, confidence: float
) -> Interval | None:
    """Quantiles of the resampled means plus the seeds' error times a t variable; None for one seed.

    With three seeds its tails are so long that a draw a resample leaves the ends to chance: every
    resample meets T_STRATA draws instead, one from each of as many equally probable parts of t.
    """
    if len(per_seed) < 2:
        return None
    error = per_seed.std(ddof=1) / np.sqrt(len(per_seed))
    if error == 0:
        return _percentiles(means, confidence)
    random = np.random.default_rng([seed, 1])  # not the stream that drew the lesions
    within = random.random((T_STRATA, len(means)))
    probabilities = (np.arange(T_STRATA)[:, None] + within) / T_STRATA
    drawn = stats.t.ppf(probabilities, len(per_seed) - 1)
    return _percentiles((means + error * drawn).ravel(), confidence)


def _percentiles(values: NDArray[np.float64], confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, (tail, 1 - tail))
    return float(low), float(high)
