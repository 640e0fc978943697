"""One optimizer step, from row numbers to changed weights."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harmonic.data.arrays import LabelledImages
from harmonic.learning.augment import augment, draw_changes, draw_mix
from harmonic.learning.batches import as_images, batches, normalised
from harmonic.learning.device import compile_in_place, forward_precision, memory_format_for
from harmonic.learning.objective import Loss, make_loss, make_optimizer
from harmonic.learning.processes import Processes
from harmonic.learning.randomness import generator
from harmonic.learning.settings import Recipe
from harmonic.learning.synchronised import synchronise
from harmonic.model_file.description import ChannelStatistics


@dataclass(frozen=True)
class TrainingSet:
    """Images and targets on one device, and how they are augmented."""

    pixels: Tensor
    """uint8 (N, H, W, 3)."""
    targets: Tensor
    """float32 (N, classes), one-hot."""
    recipe: Recipe

    def batch(
        self, rows: Tensor, random: torch.Generator, share: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Augmented and mixed images (S, 3, H, W), about [0, 1], of a share of a batch of rows.

        Also their targets (S, classes), and those of the whole batch (B, classes). What is drawn
        and mixed is the same however the batch is shared out.
        """
        height, width = self.pixels.shape[1:3]
        changes = draw_changes(len(rows), height, width, self.recipe, random)
        mix = draw_mix(len(rows), height, width, self.recipe, random)
        rows = rows.to(self.pixels.device)
        whole = self.targets[rows] if mix is None else mix.targets(self.targets[rows])
        targets = whole
        if share is not None:
            on_device = share.to(rows.device)
            rows, targets, changes = rows[on_device], whole[on_device], changes.of(share)
            mix = None if mix is None else mix.of(share)
        images = augment(as_images(self.pixels[rows]), changes)
        return images if mix is None else mix.images(images), targets, whole


def on_device(images: LabelledImages, recipe: Recipe, device: torch.device) -> TrainingSet:
    labels = torch.from_numpy(images.labels).to(device)
    targets = functional.one_hot(labels, len(images.class_counts())).float()
    return TrainingSet(torch.from_numpy(np.array(images.images)).to(device), targets, recipe)


def first_batch(images: LabelledImages, recipe: Recipe, columns: int = 8) -> np.ndarray:
    """The first batch of training as the network sees it, up to columns² images in one picture.

    uint8 (rows · H, columns · W, 3); drawn on the CPU, so the same on every machine.
    """
    random = generator(recipe.seed, 0)
    rows = next(batches(len(images.labels), recipe.batch_size, random))
    batch, _, _ = on_device(images, recipe, torch.device("cpu")).batch(rows, random)
    shown = (batch[: columns**2].clamp(0, 1) * 255).round().byte()
    shown = functional.pad(shown, (0, 0, 0, 0, 0, 0, 0, -len(shown) % columns))
    # (rows, columns, 3, H, W) to a picture
    grid = shown.unflatten(0, (-1, columns)).permute(0, 3, 1, 4, 2)
    return grid.flatten(2, 3).flatten(0, 1).numpy()


@dataclass(frozen=True)
class Learner:
    """A network, its optimizer, and what it learns from."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    data: TrainingSet
    statistics: ChannelStatistics
    recipe: Recipe
    processes: Processes

    def step(self, rows: Tensor, random: torch.Generator, rate: float) -> Tensor:
        """Learn from the images of some rows, together with the other processes.

        Returns this process's part of their loss, left on the device.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        images, targets, whole = self.data.batch(rows, random, self.processes.share(len(rows)))
        memory_format = memory_format_for(self.model, images.device)
        with forward_precision(self.recipe.precision, images.device):
            logits = self.model(normalised(images, self.statistics, memory_format))
        loss = self.loss.total(logits.float(), targets) / self.loss.weight(whole)
        if self.processes.parts(len(rows)) < self.processes.count:
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
    return Learner(model, make_optimizer(model, recipe), loss, data, statistics, recipe, processes)
