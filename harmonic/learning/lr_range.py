"""The learning rate range test: raise the rate from step to step and watch the loss.

Smith, "Cyclical Learning Rates for Training Neural Networks" (WACV 2017), section 3.3. The curve is
evidence beside the chosen `lr`; nothing takes the suggestion over by itself.
"""

from itertools import count

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from harmonic.data.arrays import LabelledImages
from harmonic.errors import InputError
from harmonic.learning.learner import make_learner
from harmonic.learning.processes import alone
from harmonic.learning.randomness import derived_seed, generator
from harmonic.learning.settings import Recipe
from harmonic.learning.sweep import Sweep, has_diverged, smoothed
from harmonic.model_file.description import ChannelStatistics


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
    random = generator(recipe.seed, 0)
    torch.manual_seed(derived_seed(recipe.seed, 0, 1))
    endless = (draws for _ in count() for draws in learner.data.epoch(random))
    rates = np.geomspace(lowest, highest, steps)
    losses: list[float] = []
    for rate in tqdm(rates, desc="find_lr", unit="step", disable=None):
        loss = float(learner.step(next(endless), float(rate)))
        if not np.isfinite(loss):
            break
        losses.append(loss)
        if has_diverged(smoothed(losses)):
            break
    if len(losses) < 10:
        raise InputError(
            f"the loss diverged after {len(losses)} steps; lower find_lr.lowest ({lowest:g})"
        )
    return Sweep.of_losses(rates, np.array(losses))
