"""A difference between two kinds of network, how sure it is, and what may be said of it.

Two things are left to chance: which lesions happen to be in the test set, and which seed a network
was trained from. Runs are paired over both, so what they share cancels out. Of the S paired runs
let d_s be the difference on the test set, and d_s* the one on resampled lesions.

- Over lesions: percentiles of the mean of d_s* over s (bootstrap, stratified by class).
- Over seeds: Student's t on the d_s, as S is small; resampling three seeds gives intervals that are
  far too narrow.
- Over both: for each resample, the mean of the d_s* plus (deviation of the d_s / sqrt S) times a
  value drawn from Student's t with S - 1 degrees of freedom. Without chance in the lesions it is
  the t interval, without chance in the seeds the bootstrap interval.

Of few lesions a bootstrap is surer than it may be (of one that differs, its interval has no
width), so of every figure a difference is told only where an exact test agrees, the trained
networks held (`harmonic.evaluation.exchange`):

- From `fewest_differing` lesions answered differently on, and not before, p can be as small as it
  must be (6 for p <= 0.05; more for several comparisons).
- Two seeds suffice for an interval over seeds, unless all differ by the same amount: a deviation of
  zero is no estimate of the chance in the seeds. One pair of runs has no such interval: it tells of
  two networks, never of two kinds.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from harmonic.evaluation.exchange import SAME, fewest_differing
from harmonic.evaluation.weighted import Floats

Interval = tuple[float, float]
ROUNDED = 2.01e-4
"""How far apart two differences of figures with four digits may be that are the same."""
T_STRATA = 100
"""Draws of Student's t that each resample of the lesions is joined with."""


@dataclass(frozen=True)
class Difference:
    """Second minus first, in the unit of the statistic. Intervals are (low, high)."""

    firsts: Floats
    """Of each run of the first kind (S,), on the whole test set."""
    seconds: Floats
    """Of the runs of the second kind, by the same seeds."""
    resampled: Floats | None = None
    """Mean difference on each resample of the lesions (B,); None where these are not known, or the
    figure is not made of them."""
    seed: int = 0
    """Of the resamples; another stream of it is drawn from here."""
    confidence: float = 0.95
    differing: int | None = None
    """Lesions that the two answer differently; without answers, the test lesions if known."""
    exact: Callable[[], float] | None = None
    """Gives p, at some cost; None without answers, where no exact test can be made."""

    @property
    def first(self) -> float:
        """Mean over the runs of the first kind."""
        return float(self.firsts.mean())

    @property
    def second(self) -> float:
        return float(self.seconds.mean())

    @property
    def per_seed(self) -> Floats:
        return self.seconds - self.firsts

    @property
    def value(self) -> float:
        return float(self.per_seed.mean())

    @cached_property
    def over_lesions(self) -> Interval | None:
        return None if self.resampled is None else percentiles(self.resampled, self.confidence)

    @cached_property
    def over_seeds(self) -> Interval | None:
        """None with one pair of runs."""
        return seed_interval(self.per_seed, self.confidence)

    @cached_property
    def over_both(self) -> Interval | None:
        """None where one of the two is.

        With three seeds the tails of t are so long that a draw a resample leaves the ends to
        chance: every resample meets one draw from each of T_STRATA equally probable parts of t.
        """
        if self.resampled is None or len(self.per_seed) < 2:
            return None
        error = self.per_seed.std(ddof=1) / np.sqrt(len(self.per_seed))
        if error == 0:
            return self.over_lesions
        random = np.random.default_rng([self.seed, 1])  # not the stream that drew the lesions
        within = random.random((T_STRATA, len(self.resampled)))
        probabilities = (np.arange(T_STRATA)[:, None] + within) / T_STRATA
        drawn = stats.t.ppf(probabilities, len(self.per_seed) - 1)
        return percentiles((self.resampled + error * drawn).ravel(), self.confidence)

    @cached_property
    def p(self) -> float | None:
        """Of `exchange_test`; NaN where the answers are known, but not what gives the figure."""
        return None if self.exact is None else self.exact()

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
            most = "at most " if self.exact is None else ""
            lesions = "lesion" if self.differing == 1 else "lesions"
            return (
                f"{most}{self.differing} {lesions} answered differently, at least {needed} needed"
            )
        if self.differing is None and self.exact is None:
            return f"how many lesions were tested is not known, at least {needed} needed"
        apart = SAME if self.exact else ROUNDED
        if len(self.per_seed) > 1 and np.ptp(self.per_seed) < apart:
            return f"{len(self.per_seed)} seeds, one difference: nothing is known of their chance"
        return ""

    @property
    def seems(self) -> bool:
        """Whether the interval leaves out zero, of lesions and seeds that are enough."""
        low, high = self.interval
        return (low > 0 or high < 0) and not self.too_few  # neither holds for NaN

    @property
    def against(self) -> str:
        """What the exact test has against a difference that the interval shows; "" for nothing."""
        if not self.seems:
            return ""
        if self.p is None:
            return "without answers no exact test can be made"
        if self.p <= 1 - self.confidence:
            return ""
        if math.isnan(self.p):
            return "no exact test can be made of it"
        return f"the exact test does not agree (p = {self.p:.3g})"

    @property
    def told(self) -> bool:
        """Whether it may be said that the two differ: interval, exact test and numbers allow it."""
        return self.seems and not self.against


def seed_interval(differences: ArrayLike, confidence: float = 0.95) -> Interval | None:
    """Student's t interval of the mean of paired differences (S,); None where S is 1."""
    values = np.asarray(differences, dtype=np.float64)
    if len(values) < 2:
        return None
    half = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1)
    half /= np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def percentiles(values: Floats, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(values, (tail, 1 - tail))
    return float(low), float(high)


def verdict(
    difference: Difference | None, metric: str, first: str, second: str, comparisons: int
) -> str:
    """What may be said of second against first; the intervals are meant for `comparisons`."""
    none = "no difference can be shown"
    if difference is None:
        return f"{none} between {second} and {first}: no interval can be made of it"
    if few := difference.too_few:
        return f"{second} against {first}: too few to tell: {few}"
    low, high = difference.interval
    what = metric.replace("_", " ")
    word = "higher" if difference.value > 0 else "lower"
    amount = f"{abs(difference.value):.3f} {word} {what} [{low:+.3f}, {high:+.3f}]"
    note = f"; interval for {comparisons} comparisons" if comparisons > 1 else ""
    if difference.against:
        note += f"; {difference.against}"
    if difference.over_both is None and difference.over_lesions is not None:
        pair = f"two single networks ({second}, {first})"
        if difference.told:
            return f"these {pair} differ: {amount}{note}; one seed says nothing about the kinds"
        return f"{none} between these {pair}: {what} {low:+.3f} to {high:+.3f}{note}"
    if difference.over_lesions is None:
        note += "; over seeds on this one test set, other lesions are not accounted for"
    if difference.told:
        return f"{second} differs from {first}: {amount}{note}"
    return f"{none} between {second} and {first}: {what} {low:+.3f} to {high:+.3f}{note}"
