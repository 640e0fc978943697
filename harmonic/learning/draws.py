"""What is drawn at random for training images: their order, and how each is changed and mixed.

Numbers are drawn on the CPU, batch by batch, so that they are the same on every device; what
follows from them is worked out for a whole epoch at once.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harmonic.learning.settings import Recipe

MOVES = {"rotations": (1, 1, 1, 2), "crops": (1, 1, 1, 1, 1, 1), "none": ()}
"""How many numbers each way of moving draws for an image, one after another."""
FACTORS, ERASING = (1, 1, 1), (1, 1, 2, 1)


@dataclass(frozen=True)
class Draws:
    """Which images are taken, and what is done to each; B images, all tensors on one device."""

    rows: Tensor
    """(B,) int64: numbers of the images."""
    matrices: Tensor
    """(B, 2, 3): where a pixel comes from, as affine_grid takes it."""
    factors: Tensor
    """(B, 3): of brightness, contrast and saturation."""
    erased: Tensor | None = None
    """(B, 4): rectangles; None where nothing is erased."""
    blended: Tensor | None = None
    """(B,): the partner's share in every pixel (mixup); None where nothing is mixed."""
    boxes: Tensor | None = None
    """(B, 4): the rectangle that is the partner's alone (CutMix)."""
    partners: Tensor | None = None
    """(B,): the partner's share in the whole image, and in its target."""

    def each(self, change: Callable[[Tensor], Tensor]) -> "Draws":
        """The same with every tensor changed."""
        return Draws(**{name: change(one) for name, one in vars(self).items() if one is not None})

    def split(self, size: int) -> "list[Draws]":
        """Batches of `size` images; the last may have fewer."""
        parts = {name: one.split(size) for name, one in vars(self).items() if one is not None}
        return [
            Draws(**dict(zip(parts, batch, strict=True)))
            for batch in zip(*parts.values(), strict=True)
        ]


def draw(
    batches: Iterable[Tensor], height: int, width: int, recipe: Recipe, random: torch.Generator
) -> Draws:
    """What `recipe` does to the images of batches of row numbers; on the CPU."""
    drawn = [(rows, draw_numbers(len(rows), recipe, random)) for rows in batches]
    rows, numbers = (torch.cat(parts) for parts in zip(*drawn, strict=True))
    erases, mixes = recipe.erasing > 0, bool(recipe.mixup or recipe.cutmix)
    moves, factors, erasing, mixing = numbers.split(
        [sum(MOVES[recipe.moves]), 3, 5 * erases, 4 * mixes], dim=1
    )
    draws = {
        "matrices": affine_matrices(moves, recipe),
        "factors": between(1 - recipe.colour, 1 + recipe.colour, factors),
    }
    if erases:
        draws["erased"] = erased_rectangles(erasing, height, width, recipe.erasing)
    if mixes:
        cut, share = mixing[:, 0] == 1, mixing[:, 1]
        boxes = rectangles(share * cut, torch.ones_like(share), height, width, mixing[:, 2:])
        areas = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])
        partners = torch.where(cut, areas / (height * width), share)
        draws |= {"blended": share * ~cut, "boxes": boxes, "partners": partners}
    return Draws(rows, **draws)


def draw_numbers(count: int, recipe: Recipe, random: torch.Generator) -> Tensor:
    """All that is drawn for the images of a batch, (count, numbers an image)."""
    widths = (*MOVES[recipe.moves], *FACTORS, *(ERASING if recipe.erasing else ()))
    numbers = [torch.rand(count, width, generator=random) for width in widths]
    if recipe.mixup or recipe.cutmix:
        beta = np.random.default_rng(int(torch.randint(2**62, (), generator=random)))
        chance = bool(recipe.cutmix) / (bool(recipe.mixup) + bool(recipe.cutmix))
        cut = torch.rand(count, 1, generator=random) < chance
        alpha = np.where(cut.numpy(), recipe.cutmix, recipe.mixup)
        share = torch.from_numpy(beta.beta(alpha, alpha)).float()
        numbers += [cut.float(), share, torch.rand(count, 2, generator=random)]
    return torch.cat(numbers, dim=1)


def between(low: float, high: float, numbers: Tensor) -> Tensor:
    return numbers * (high - low) + low


def affine_matrices(numbers: Tensor, recipe: Recipe) -> Tensor:
    """(B, 2, 3) for affine_grid, which counts in half image sides, from numbers of [0, 1).

    rotations: by any angle, with reflection, zoom and shift. crops: at random at the full size, of
    0.4 to 1 of the area and an aspect of 3/4 to 4/3, flipped both ways, as in GEM's
    RandomResizedCrop (Brigato et al. 2022, doi 10.1109/ACCESS.2022.3172939).
    """
    if recipe.moves == "none":
        return torch.eye(2, 3).expand(len(numbers), 2, 3)
    if recipe.moves == "crops":
        area = 0.4 + 0.6 * numbers[:, 0]
        aspect = torch.exp((2 * numbers[:, 1] - 1) * math.log(4 / 3))
        sides = torch.stack([(area * aspect).sqrt(), (area / aspect).sqrt()], dim=1).clamp(max=1)
        flips = torch.where(numbers[:, 2:4] < 0.5, 1.0, -1.0)
        # A crop may move by what it leaves free.
        shift = (2 * numbers[:, 4:] - 1) * (1 - sides)
        return torch.cat([torch.diag_embed(flips * sides), shift[:, :, None]], dim=2)
    angle = between(-math.pi, math.pi, numbers[:, 0])
    flip = torch.where(numbers[:, 1] < 0.5, -1.0, 1.0)
    # Uniform in the logarithm: enlarging by a factor is as likely as shrinking by it.
    scale = torch.exp(between(-math.log1p(recipe.zoom), math.log1p(recipe.zoom), numbers[:, 2]))
    shift = between(-2 * recipe.shift, 2 * recipe.shift, numbers[:, 3:])
    cosine, sine = torch.cos(angle) / scale, torch.sin(angle) / scale
    turned = torch.stack([flip * cosine, -sine, flip * sine, cosine], dim=1).view(-1, 2, 2)
    return torch.cat([turned, shift[:, :, None]], dim=2)


def erased_rectangles(numbers: Tensor, height: int, width: int, share: float) -> Tensor:
    """(B, 4): of 2 to 33 % of the image and 0.3 to 3.3 times as high as wide, in a `share` of
    the images; empty in the others (random erasing: Zhong et al. 2017, arXiv 1708.04896)."""
    area = between(0.02, 1 / 3, numbers[:, 0])
    ratio = torch.exp(between(math.log(0.3), math.log(3.3), numbers[:, 1]))
    return rectangles(area * (numbers[:, 4] < share), ratio, height, width, numbers[:, 2:4])


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
