"""The training images on the device, and batches of them, changed and mixed."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harmonic.data.arrays import LabelledImages
from harmonic.learning.augment import augment, draw_changes, draw_mix
from harmonic.learning.batches import as_images, batches
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

    def batches(self, random: torch.Generator) -> Iterator[Tensor]:
        """The row numbers of each batch of an epoch."""
        odds = None
        if self.recipe.imbalance == "resampling":
            odds = (self.targets @ (1 / self.targets.sum(dim=0).clamp(min=1))).cpu()
        return batches(len(self.targets), self.recipe.batch_size, random, odds)

    def batch(
        self, rows: Tensor, random: torch.Generator, share: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Augmented and mixed images (S, 3, H, W), about [0, 1], of a share of a batch of rows.

        Also their targets (S, classes), and those of the whole batch (B, classes). What is drawn
        and mixed is the same however the batch is shared out.
        """
        height, width = self.pixels.shape[1:3]
        changes = draw_changes(len(rows), height, width, self.recipe, random, self.recipe.moves)
        mix = draw_mix(len(rows), height, width, self.recipe, random)
        whole = self.targets[rows.to(self.pixels.device)]
        if mix is not None:
            whole = mix.targets(whole)
        targets = whole
        if share is not None:
            rows, changes, targets = rows[share], changes.of(share), whole[share.to(whole.device)]
            mix = None if mix is None else mix.of(share)
        images = augment(as_images(self.pixels[rows.to(self.pixels.device)]), changes)
        return images if mix is None else mix.images(images), targets, whole


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
    random = generator(recipe.seed, 0)
    data = on_device(images, recipe, torch.device("cpu"))
    batch, _, _ = data.batch(next(data.batches(random)), random)
    shown = (batch[: columns**2].clamp(0, 1) * 255).round().byte()
    shown = functional.pad(shown, (0, 0, 0, 0, 0, 0, 0, -len(shown) % columns))
    return (
        torch.cat([torch.cat(list(row), dim=2) for row in shown.split(columns)], dim=1)
        .permute(1, 2, 0)
        .numpy()
    )
