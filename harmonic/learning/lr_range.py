"""The learning rate range test: raise the rate from step to step and watch the loss.

Smith, "Cyclical Learning Rates for Training Neural Networks" (WACV 2017), section 3.3. The curve is
evidence beside the chosen `lr`; nothing takes the suggestion over by itself.
"""

from dataclasses import dataclass
from itertools import count

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from harmonic.data.arrays import LabelledImages
from harmonic.errors import InputError
from harmonic.learning.batches import batches
from harmonic.learning.learner import make_learner
from harmonic.learning.processes import alone
from harmonic.learning.randomness import derived_seed, generator
from harmonic.learning.settings import Recipe
from harmonic.model_file.description import ChannelStatistics

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


def sweep_rates(
    model: nn.Module,
    training: LabelledImages,
    statistics: ChannelStatistics,
    recipe: Recipe,
    device: torch.device,
    *,
    lowest: float,
    highest: float,
    steps: int,
) -> Sweep:
    """Train for `steps` steps, the rate rising geometrically; stop where the loss diverges."""
    learner = make_learner(model, training, statistics, recipe, alone(device))
    learner.model.train()
    images = len(training.labels)
    random = generator(recipe.seed, 0)
    torch.manual_seed(derived_seed(recipe.seed, 0, 1))
    endless = (rows for _ in count() for rows in batches(images, recipe.batch_size, random))
    rates = np.geomspace(lowest, highest, steps)
    losses: list[float] = []
    smoothed: list[float] = []
    running = 0.0
    for step, rate in enumerate(tqdm(rates, desc="find_lr", unit="step", disable=None)):
        value = float(learner.step(next(endless), random, float(rate)))
        if not np.isfinite(value):
            break
        running = SMOOTHING * running + (1 - SMOOTHING) * value
        losses.append(value)
        smoothed.append(running / (1 - SMOOTHING ** (step + 1)))
        if smoothed[-1] > DIVERGED * min(smoothed):
            break
    if len(losses) < 10:
        raise InputError(
            f"the loss diverged after {len(losses)} steps; lower find_lr.lowest ({lowest:g})"
        )
    return Sweep(
        lr=rates[: len(losses)],
        loss=np.array(losses),
        smoothed_loss=np.array(smoothed),
        diverged=len(losses) < steps or smoothed[-1] > DIVERGED * min(smoothed),
    )
