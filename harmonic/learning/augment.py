"""Augmentation of whole batches on the device: geometry in one resampling, colour in one product.

Dermoscopy has no up and no left, so all rotations and reflections keep the label; scale and light
differ from one photograph of a lesion to the next by as much as the parameters allow.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Augmentation:
    """How far an image may be changed; all zero leaves flips and rotations alone."""

    zoom: float
    """Largest relative change of scale."""
    shift: float
    """Largest shift, as a share of the image side."""
    colour: float
    """Largest relative change of brightness, contrast and saturation."""


def uniform(count: int, low: float, high: float, random: torch.Generator) -> Tensor:
    return torch.rand(count, generator=random) * (high - low) + low


def affine_matrices(count: int, amount: Augmentation, random: torch.Generator) -> Tensor:
    """Random rotation by any angle, reflection, zoom and shift; (count, 2, 3) for affine_grid."""
    angle = uniform(count, -math.pi, math.pi, random)
    flip = torch.where(torch.rand(count, generator=random) < 0.5, -1.0, 1.0)
    # Uniform in the logarithm: enlarging by a factor is as likely as shrinking by it.
    scale = torch.exp(uniform(count, -math.log1p(amount.zoom), math.log1p(amount.zoom), random))
    # affine_grid counts in half image sides.
    shift = uniform(2 * count, -2 * amount.shift, 2 * amount.shift, random).view(count, 2)
    cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
    rows = torch.stack([flip * cosine, -sine, flip * sine, cosine], dim=1).view(count, 2, 2)
    return torch.cat([rows, shift[:, :, None]], dim=2)


def augment(images: Tensor, amount: Augmentation, random: torch.Generator) -> Tensor:
    """A randomly changed copy of a batch.

    images: float (B, 3, H, W) in [0, 1] on any device. Returns the same shape; values may leave
    [0, 1] slightly, as they are normalised next. Outside the image its mirror image is seen.
    """
    count = len(images)
    matrices = affine_matrices(count, amount, random).to(images.device)
    grid = functional.affine_grid(matrices, list(images.shape), align_corners=False)
    moved = functional.grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    factors = uniform(3 * count, 1 - amount.colour, 1 + amount.colour, random)
    brightness, contrast, saturation = factors.to(images.device).view(3, count, 1, 1, 1)
    mean = moved.mean(dim=(1, 2, 3), keepdim=True)
    grey = moved.mean(dim=1, keepdim=True)
    saturated = grey + saturation * (moved - grey)
    return brightness * (mean + contrast * (saturated - mean))


def views(images: Tensor, count: int) -> list[Tensor]:
    """The image as it is (count = 1) or all eight flips and quarter turns (count = 8)."""
    if count == 1:
        return [images]
    turned = [torch.rot90(images, quarter, dims=(2, 3)) for quarter in range(4)]
    return turned + [turn.flip(3) for turn in turned]
