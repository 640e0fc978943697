"""A few more epochs for a network that was changed after its training."""

from pathlib import Path

import torch
from torch import nn

from harmonic.data.arrays import LabelledImages
from harmonic.learning.loop import train
from harmonic.learning.processes import alone
from harmonic.learning.settings import Recipe, Schedule
from harmonic.model_file.description import ChannelStatistics

WARMUP = 0.1
AVERAGE = 0.98


def fine_tune(
    model: nn.Module,
    training: LabelledImages,
    validation: LabelledImages,
    statistics: ChannelStatistics,
    recipe: Recipe,
    *,
    epochs: int,
    lr: float,
    device: torch.device,
    checkpoint: Path,
) -> nn.Module:
    """Train a model that has weights already; returns it with those of the best epoch.

    As in training, the validation set chooses the epoch and the weights are averaged. lr is the
    peak; a tenth of the training's is a good start, as the weights are nearly right.
    """
    schedule = Schedule(epochs=epochs, lr=lr, warmup=WARMUP, ema=AVERAGE, schedule="cosine")
    here = alone(device)
    trained = train(model, training, validation, statistics, recipe, schedule, here, checkpoint)
    model.load_state_dict(trained.state)
    return model.eval()
