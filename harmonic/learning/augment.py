"""How batches of training images are changed at random, on the device.

Dermoscopy has no up and no left, so all rotations and reflections keep the label; scale and light
differ from one photograph of a lesion to the next by as much as the parameters allow. Geometry is
one resampling, colour one product.

Images may also be made of two: mixup (Zhang et al. 2018, arXiv 1710.09412) and CutMix (Yun et al.
2019, arXiv 1905.04899). An image is mixed with the one that lies opposite in the batch, the first
with the last; as batches are in random order, that is a random partner.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from harmonic.learning.settings import Augmentation, Mixing


@dataclass(frozen=True)
class Changes:
    """What is done to each image of a batch; on the CPU."""

    matrices: Tensor
    """(B, 2, 3): where a pixel comes from, as affine_grid takes it."""
    factors: Tensor
    """(B, 3): of brightness, contrast and saturation."""
    erased: Tensor | None
    """(B, 4): rectangles; None where nothing is erased."""

    def of(self, rows: Tensor) -> "Changes":
        erased = None if self.erased is None else self.erased[rows]
        return Changes(self.matrices[rows], self.factors[rows], erased)


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


def crop_matrices(count: int, random: torch.Generator) -> Tensor:
    """Random crops at the full size, flipped at random both ways; (count, 2, 3) for affine_grid.

    Of 0.4 to 1 of the area and an aspect of 3/4 to 4/3, as in GEM's RandomResizedCrop (Brigato et
    al. 2022, doi 10.1109/ACCESS.2022.3172939).
    """
    draws = torch.rand(6, count, generator=random)
    area = 0.4 + 0.6 * draws[0]
    aspect = torch.exp((2 * draws[1] - 1) * math.log(4 / 3))
    sides = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], dim=1).clamp(max=1)
    flips = torch.where(draws[2:4].T < 0.5, 1.0, -1.0)
    # affine_grid counts in half image sides: a crop may move by what it leaves free.
    shift = (2 * draws[4:].T - 1) * (1 - sides)
    return torch.cat([torch.diag_embed(flips * sides), shift[:, :, None]], dim=2)


def erased_rectangles(
    count: int, height: int, width: int, share: float, random: torch.Generator
) -> Tensor:
    """(count, 4): of 2 to 33 % of the image and 0.3 to 3.3 times as high as wide, in a `share` of
    the images; empty in the others (random erasing: Zhong et al. 2017, arXiv 1708.04896)."""
    area = uniform(count, 0.02, 1 / 3, random)
    ratio = torch.exp(uniform(count, math.log(0.3), math.log(3.3), random))
    centres = torch.rand(count, 2, generator=random)
    chosen = torch.rand(count, generator=random) < share
    return rectangles(area * chosen, ratio, height, width, centres)


def draw_changes(
    count: int,
    height: int,
    width: int,
    amount: Augmentation,
    random: torch.Generator,
    moves: str = "rotations",
) -> Changes:
    """Random changes for each image of a batch; `moves` as in a recipe."""
    if moves == "crops":
        matrices = crop_matrices(count, random)
    elif moves == "none":
        matrices = torch.eye(2, 3).expand(count, 2, 3)
    else:
        matrices = affine_matrices(count, amount, random)
    factors = uniform(3 * count, 1 - amount.colour, 1 + amount.colour, random).view(3, count).T
    erased = None
    if amount.erasing:
        erased = erased_rectangles(count, height, width, amount.erasing, random)
    return Changes(matrices, factors, erased)


def sampling_grid(matrices: Tensor, height: int, width: int) -> Tensor:
    """What affine_grid gives without aligned corners, (B, H, W, 2), up to rounding.

    Two sums instead of a product of thin matrices: a twentieth of its time on a CPU.
    """
    across = (2 * torch.arange(width, device=matrices.device) + 1) / width - 1
    down = (2 * torch.arange(height, device=matrices.device) + 1) / height - 1
    of_across, of_down, constant = matrices[..., None, None].unbind(dim=2)
    return (of_across * across + of_down * down[:, None] + constant).permute(0, 2, 3, 1)


def augment(images: Tensor, changes: Changes) -> Tensor:
    """A changed copy of a batch.

    images: float (B, 3, H, W) in [0, 1] on any device. Returns the same shape; values may leave
    [0, 1] slightly, as they are normalised next. Outside the image its mirror image is seen;
    what is erased takes the mean colour of the image.
    """
    height, width = images.shape[2:]
    grid = sampling_grid(changes.matrices.to(images.device), height, width)
    moved = functional.grid_sample(
        images, grid, mode="bilinear", padding_mode="reflection", align_corners=False
    )
    factors = changes.factors.to(images.device).view(-1, 3, 1, 1, 1)
    brightness, contrast, saturation = factors.unbind(dim=1)
    mean = moved.mean(dim=(1, 2, 3), keepdim=True)
    grey = moved.mean(dim=1, keepdim=True)
    saturated = grey + saturation * (moved - grey)
    coloured = brightness * (mean + contrast * (saturated - mean))
    if changes.erased is None:
        return coloured
    erased = inside(changes.erased.to(images.device), height, width)
    return torch.where(erased, coloured.mean(dim=(2, 3), keepdim=True), coloured)


@dataclass(frozen=True)
class Mix:
    """What each image of a batch takes over from its partner; on the CPU."""

    everywhere: Tensor
    """(B,) share in every pixel: mixup."""
    boxes: Tensor
    """(B, 4) rectangle that is the partner's alone: CutMix."""
    share: Tensor
    """(B,) of the partner in the whole image, and in its target."""

    def of(self, rows: Tensor) -> "Mix":
        return Mix(self.everywhere[rows], self.boxes[rows], self.share[rows])

    def images(self, images: Tensor) -> Tensor:
        """A mixed copy of a batch (B, 3, H, W)."""
        mask = self.everywhere.to(images.device).view(-1, 1, 1, 1)
        cut = inside(self.boxes.to(images.device), *images.shape[2:])
        return torch.lerp(images, images.flip(0), mask.masked_fill(cut, 1.0))

    def targets(self, targets: Tensor) -> Tensor:
        """The mixed targets of a batch, (B, classes), of rows that sum to one."""
        return torch.lerp(targets, targets.flip(0), self.share.to(targets.device)[:, None])


def draw_mix(
    count: int, height: int, width: int, amount: Mixing, random: torch.Generator
) -> Mix | None:
    """A mix for each image of a batch; None, and no number drawn, where mixing is off."""
    if not (amount.mixup or amount.cutmix):
        return None
    beta = np.random.default_rng(int(torch.randint(2**62, (), generator=random)))
    chance = bool(amount.cutmix) / (bool(amount.mixup) + bool(amount.cutmix))
    cut = torch.rand(count, generator=random) < chance
    alpha = np.where(cut.numpy(), amount.cutmix, amount.mixup)
    share = torch.from_numpy(beta.beta(alpha, alpha)).float()
    centres = torch.rand(count, 2, generator=random)
    boxes = rectangles(share * cut, torch.ones(count), height, width, centres)
    areas = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])
    return Mix(share * ~cut, boxes, torch.where(cut, areas / (height * width), share))


def rectangles(area: Tensor, ratio: Tensor, height: int, width: int, centres: Tensor) -> Tensor:
    """(B, 4) whole numbers: top, bottom, left, right; bottom and right are the first outside.

    area: (B,) share of the image; ratio: (B,) height over width, of an image that is square;
    centres: (B, 2) in [0, 1], down and across. What lies outside the image is cut off.
    """
    sides = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], dim=1)
    size = torch.tensor([height, width])
    starts, stops = (
        torch.minimum(((centres + sign * sides / 2) * size).round().long().clamp(min=0), size)
        for sign in (-1, 1)
    )
    return torch.stack([starts[:, 0], stops[:, 0], starts[:, 1], stops[:, 1]], dim=1)


def inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """(B, 1, H, W), true inside each image's rectangle; on the device of the boxes."""
    top, bottom, left, right = boxes.view(-1, 4, 1, 1).unbind(dim=1)
    rows = torch.arange(height, device=boxes.device).view(1, -1, 1)
    columns = torch.arange(width, device=boxes.device).view(1, 1, -1)
    return ((top <= rows) & (rows < bottom) & (left <= columns) & (columns < right))[:, None]
