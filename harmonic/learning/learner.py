"""One optimizer step, from row numbers to changed weights."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from harmonic.data.arrays import LabelledImages
from harmonic.learning.batches import normaliser
from harmonic.learning.device import compile_in_place, forward_precision
from harmonic.learning.draws import Draws
from harmonic.learning.objective import Loss, make_loss, make_optimizer, set_rate
from harmonic.learning.processes import Processes
from harmonic.learning.settings import Recipe
from harmonic.learning.synchronised import synchronise
from harmonic.learning.training_set import TrainingSet, on_device
from harmonic.model_file.description import ChannelStatistics


@dataclass(frozen=True)
class Learner:
    """A network, its optimizer, and what it learns from."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    data: TrainingSet
    statistics: ChannelStatistics
    normalise: Callable[[Tensor], Tensor]
    """As images are for the model; see `harmonic.learning.batches.normaliser`."""
    recipe: Recipe
    processes: Processes

    def step(self, draws: Draws, rate: float) -> Tensor:
        """Learn from the images of a batch, together with the other processes.

        Returns this process's part of their loss, left on the device.
        """
        set_rate(self.optimizer, rate)
        size = len(draws.rows)
        images, targets, whole = self.data.batch(draws, self.processes.share(size))
        with forward_precision(self.recipe.precision, images.device):
            logits = self.model(self.normalise(images))
        loss = self.loss.total(logits.float(), targets) / self.loss.weight(whole)
        if self.processes.parts(size) < self.processes.count:
            loss = loss / self.processes.count  # each has worked out the whole batch
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.processes.add_up_gradients(self.model)
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        return loss.detach()


def make_learner(
    model: nn.Module,
    training: LabelledImages,
    statistics: ChannelStatistics,
    recipe: Recipe,
    processes: Processes,
) -> Learner:
    """Everything a step needs, on the device; the model is moved there, and compiled if asked."""
    device = processes.device
    model = model.to(device)
    if processes.count > 1:
        synchronise(model)
    if recipe.compile:
        compile_in_place(model, device)
    loss = make_loss(torch.from_numpy(training.class_counts()).to(device), recipe)
    data = on_device(training, recipe, device)
    normalise = normaliser(model, statistics, device)
    optimizer = make_optimizer(model, recipe)
    return Learner(model, optimizer, loss, data, statistics, normalise, recipe, processes)
