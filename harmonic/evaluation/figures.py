"""Which values a figure of a run can have: what no network could have scored is refused."""

import math
import re
from dataclasses import dataclass
from typing import Any

from harmonic.errors import InputError


@dataclass(frozen=True)
class Range:
    """Least and greatest value of a figure, both allowed unless said otherwise."""

    low: float
    high: float = float("inf")
    whole: bool = False
    above: bool = False
    """True where `low` itself is not allowed."""

    def holds(self, number: float) -> bool:
        least = self.low < number if self.above else self.low <= number
        return least and number <= self.high and (number.is_integer() or not self.whole)

    def __str__(self) -> str:
        if self.whole:
            return f"a whole number from {self.low:g}"
        if self.high == float("inf"):
            return f"above {self.low:g}" if self.above else f"{self.low:g} or more"
        return f"{self.low:g} to {self.high:g}"


RANGES = {
    # Shares, and areas and means of shares; seen, sibling and unseen are recalls.
    r"(?:\w+_)?(?:accuracy|precision|recall|f1|auc|sensitivity|specificity|ece)": Range(0, 1),
    r"ppv|npv|prevalence|share|threshold|seen|sibling|unseen": Range(0, 1),
    r"(?:\w+_)?mcc": Range(-1, 1),
    r"(?:\w+_)?brier": Range(0, 2),
    r"(?:\w+_)?loss": Range(0),
    r"(?:\w+_)?temperature": Range(0, above=True),
    r"prior_exponent": Range(0),
    r"lr": Range(0),  # the last of a long cosine rounds to 0
    r"\w+_lr": Range(0, above=True),
    r"(?:images_per_)?seconds?": Range(0, above=True),
    r"(?:\w+_)?(?:images|lesions)|parameters|bytes|threads|(?:best_)?epochs?": Range(1, whole=True),
    r"n|positives|seeds?|folds?|class_counts": Range(0, whole=True),
}
"""Pattern of a figure's name -> its range."""

AFTER = r"(?:_at_\d+)?(?:_natural_rule|_balanced_rule|_uncalibrated)?(?:_low|_high)?"
"""What may follow a figure's name."""

PATTERNS = [(re.compile(rf"(?:{name}){AFTER}"), allowed) for name, allowed in RANGES.items()]


def range_of(name: str) -> Range | None:
    """The range of a figure of a run's files; None for a name that is of no known kind."""
    return next((allowed for pattern, allowed in PATTERNS if pattern.fullmatch(name)), None)


def checked_figure(name: str, value: Any, where: str) -> float:
    """The value as it is; raises InputError naming `where` and `name` for an impossible one.

    Names of no known kind may have any finite value.
    """
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{where}: {name} is {value}; allowed is a finite number")
    allowed = range_of(name)
    if allowed and not allowed.holds(float(value)):
        raise InputError(f"{where}: {name} is {value:g}; allowed is {allowed}")
    return value
