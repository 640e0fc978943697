"""One optimizer step, from row numbers to changed weights."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from harmonic.data.arrays import LabelledImages
from harmonic.learning.augment import augment, draw_changes
from harmonic.learning.batches import ChannelStatistics, as_images, normalised
from harmonic.learning.compiling import compile_in_place
from harmonic.learning.mixing import draw_mix
from harmonic.learning.objective import Loss, make_loss, make_optimizer, set_rate
from harmonic.learning.settings import Recipe, forward_precision


@dataclass(frozen=True)
class Learner:
    """A network, its optimizer, and the training set on the device."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    pixels: Tensor
    """uint8 (N, H, W, 3)."""
    targets: Tensor
    """float32 (N, classes), one-hot."""
    statistics: ChannelStatistics
    recipe: Recipe

    def batch(self, rows: Tensor, random: torch.Generator) -> tuple[Tensor, Tensor]:
        """Augmented and mixed images (B, 3, H, W), about [0, 1], and targets (B, classes)."""
        height, width = self.pixels.shape[1:3]
        changes = draw_changes(len(rows), height, width, self.recipe.augmentation, random)
        mix = draw_mix(len(rows), height, width, self.recipe.mixing, random)
        here = rows.to(self.pixels.device)
        images, targets = augment(as_images(self.pixels[here]), changes), self.targets[here]
        return (images, targets) if mix is None else (mix.images(images), mix.targets(targets))

    def step(self, rows: Tensor, random: torch.Generator, rate: float) -> Tensor:
        """Learn from the images of some rows; their loss, left on the device."""
        set_rate(self.optimizer, rate)
        images, targets = self.batch(rows, random)
        with forward_precision(self.recipe.precision, images.device):
            logits = self.model(normalised(images, self.statistics))
        loss = self.loss(logits.float(), targets)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self.optimizer.step()
        return loss.detach()


def make_learner(
    model: nn.Module,
    training: LabelledImages,
    statistics: ChannelStatistics,
    recipe: Recipe,
    device: torch.device,
) -> Learner:
    """Everything a step needs, on the device; the model is moved there, and compiled if asked."""
    model = model.to(device)
    if recipe.compile:
        compile_in_place(model, device)
    counts = torch.from_numpy(training.class_counts()).to(device)
    labels = torch.from_numpy(training.labels).to(device)
    return Learner(
        model,
        make_optimizer(model, recipe),
        make_loss(counts, recipe),
        torch.from_numpy(np.array(training.images)).to(device),
        functional.one_hot(labels, len(counts)).float(),
        statistics,
        recipe,
    )
