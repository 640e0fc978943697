"""The training images on the device, and batches of them, changed and mixed."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harmonic.data.arrays import LabelledImages
from harmonic.learning.augment import augment, mixed_targets
from harmonic.learning.batches import as_images, batches
from harmonic.learning.draws import Draws, draw
from harmonic.learning.randomness import generator
from harmonic.learning.settings import Recipe


@dataclass(frozen=True)
class TrainingSet:
    """Images and targets on one device, and how they are augmented."""

    pixels: Tensor
    """uint8 (N, H, W, 3)."""
    targets: Tensor
    """float32 (N, classes), one-hot."""
    recipe: Recipe

    def epoch(self, random: torch.Generator) -> list[Draws]:
        """Every batch of an epoch, drawn on the CPU and brought to the device at once."""
        odds = None
        if self.recipe.imbalance == "resampling":
            odds = (self.targets @ (1 / self.targets.sum(dim=0).clamp(min=1))).cpu()
        order = batches(len(self.targets), self.recipe.batch_size, random, odds)
        _, height, width, _ = self.pixels.shape
        draws = draw(order, height, width, self.recipe, random)
        return draws.each(lambda one: one.to(self.pixels.device)).split(self.recipe.batch_size)

    def batch(self, draws: Draws, share: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Augmented and mixed images (S, 3, H, W), about [0, 1], of a share of a batch.

        Also their targets (S, classes), and those of the whole batch (B, classes).
        """
        whole = mixed_targets(self.targets[draws.rows], draws)
        targets = whole
        if share is not None:
            share = share.to(whole.device)
            draws, targets = draws.each(lambda one: one[share]), whole[share]
        return augment(as_images(self.pixels[draws.rows]), draws), targets, whole


def on_device(images: LabelledImages, recipe: Recipe, device: torch.device) -> TrainingSet:
    labels = torch.from_numpy(images.labels).to(device)
    return TrainingSet(
        torch.from_numpy(np.array(images.images)).to(device),
        functional.one_hot(labels, len(images.class_counts())).float(),
        recipe,
    )


def first_batch(images: LabelledImages, recipe: Recipe, columns: int = 8) -> np.ndarray:
    """The first batch of training as the network sees it, up to columns² images in one picture.

    uint8 (rows · H, columns · W, 3); drawn on the CPU, so the same on every machine.
    """
    data = on_device(images, recipe, torch.device("cpu"))
    batch, _, _ = data.batch(data.epoch(generator(recipe.seed, 0))[0])
    shown = (batch[: columns**2].clamp(0, 1) * 255).round().byte()
    shown = functional.pad(shown, (0, 0, 0, 0, 0, 0, 0, -len(shown) % columns))
    return (
        torch.cat([torch.cat(list(row), dim=2) for row in shown.split(columns)], dim=1)
        .permute(1, 2, 0)
        .numpy()
    )
