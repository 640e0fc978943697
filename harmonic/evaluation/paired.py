"""Two kinds of network on the same test images: see `harmonic.evaluation.difference`."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harmonic.errors import InputError
from harmonic.evaluation.answers import lesion_means
from harmonic.evaluation.bootstrap import resampled, resampled_weights
from harmonic.evaluation.checks import checked_labels, checked_pair
from harmonic.evaluation.difference import Difference
from harmonic.evaluation.exchange import EXCHANGES, differing_lesions, exchange_test
from harmonic.evaluation.metrics import BALANCED_METRICS
from harmonic.evaluation.weighted import STATISTICS as ALL
from harmonic.evaluation.weighted import Statistic

STATISTICS = {name: ALL[name] for name in BALANCED_METRICS}
"""What probabilities under the balanced rule suffice for, by its name in metrics.json."""


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

    def exact_test(
        self, statistic: Statistic | None, exchanges: int
    ) -> tuple[int, Callable[[], float]]:
        """How many lesions are answered differently, and what gives p of `exchange_test`.

        Without a statistic lesions differ that have other probabilities, and p is NaN.
        """
        of_test = (self.labels, self.lesions)
        apart = differing_lesions(*of_test, self.first, self.second, statistic)
        if statistic is None:
            return len(apart), lambda: math.nan
        pairs = list(zip(self.first, self.second, strict=True))
        test = partial(exchange_test, *of_test, pairs, statistic, apart)
        return len(apart), partial(test, seed=self.seed, exchanges=exchanges)

    def difference(
        self, statistic: Statistic, confidence: float = 0.95, exchanges: int = EXCHANGES
    ) -> Difference:
        """The difference of a figure, with all intervals and its exact test."""
        once = np.ones((1, len(self.labels)))
        firsts, seconds, first_drawn, second_drawn = (
            np.array([resampled(statistic, self.labels, run, weights) for run in runs])
            for weights in (once, self.weights)
            for runs in (self.first, self.second)
        )
        differing, exact = self.exact_test(statistic, exchanges)
        return Difference(
            firsts=firsts[:, 0],
            seconds=seconds[:, 0],
            resampled=(second_drawn - first_drawn).mean(axis=0),
            seed=self.seed,
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
        labels, lesions: class numbers (n,), and the lesion id of each image (n,).
        first, second: probabilities (S, n, 7); runs of one row share the seed.
        statistic: what is compared; see STATISTICS, `sensitivity_of`, `auc_of`.
        resamples, seed: of the bootstrap.
        confidence: of the intervals, between 0 and 1.

    Raises InputError where an argument is not as described.
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
