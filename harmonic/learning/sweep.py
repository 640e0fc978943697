"""The curve of a learning rate range test, and the rates that are read off it; no torch here."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

SMOOTHING = 0.9
DIVERGED = 3.0


@dataclass(frozen=True)
class Sweep:
    """The curve of a range test; arrays of one value a step."""

    lr: np.ndarray
    loss: np.ndarray
    smoothed_loss: np.ndarray
    diverged: bool
    """True where the sweep stopped before the highest rate because the loss left its minimum."""

    @classmethod
    def of_losses(cls, rates: np.ndarray, losses: np.ndarray) -> Self:
        """The curve from the rates planned and the finite losses of the steps that were made."""
        curve = smoothed(losses.tolist())
        stopped = len(losses) < len(rates) or has_diverged(curve)
        return cls(rates[: len(losses)], losses, curve, stopped)

    def diverged_lr(self) -> float | None:
        """The rate at which the loss diverged; None where it never did."""
        return float(self.lr[-1]) if self.diverged else None

    def steepest_lr(self) -> float:
        """The rate at which the smoothed loss falls fastest over the logarithm of the rate.

        Searched between the end of the first tenth, where the average still settles, and the
        minimum.
        """
        start = min(len(self.lr) // 10, len(self.lr) - 2)
        end = max(int(self.smoothed_loss.argmin()) + 1, start + 2)
        slope = np.gradient(self.smoothed_loss[start:end], np.log(self.lr[start:end]))
        return float(self.lr[start + int(slope.argmin())])

    def suggested_lr(self) -> float:
        """A tenth of the rate at which the smoothed loss was lowest, a safe peak for a schedule."""
        return float(self.lr[int(self.smoothed_loss.argmin())]) / 10


def smoothed(losses: Iterable[float]) -> np.ndarray:
    """Exponential moving average, corrected for its start at 0 (as in Adam); one value a loss."""
    running, found = 0.0, []
    for step, value in enumerate(losses, start=1):
        running = SMOOTHING * running + (1 - SMOOTHING) * value
        found.append(running / (1 - SMOOTHING**step))
    return np.array(found)


def has_diverged(curve: np.ndarray) -> bool:
    """Does the smoothed loss end far above its minimum?"""
    return bool(curve[-1] > DIVERGED * curve.min())
