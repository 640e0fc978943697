"""Images made of two: mixup (Zhang et al. 2018, arXiv 1710.09412) and CutMix (Yun et al. 2019,
arXiv 1905.04899).

An image is mixed with the one that lies opposite in the batch, the first with the last; as batches
are in random order, that is a random partner. A mask says how much of the partner each pixel takes
over: the same everywhere in mixup, all of it inside a rectangle in CutMix. The target takes over
the mask's mean.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from harmonic.learning.rectangles import areas, inside, rectangles
from harmonic.learning.settings import Mixing


@dataclass(frozen=True)
class Mix:
    """What each image of a batch takes over from its partner; on the CPU."""

    everywhere: Tensor
    """(B,) share in every pixel."""
    boxes: Tensor
    """(B, 4) rectangle that is the partner's alone."""
    share: Tensor
    """(B,) of the partner in the whole image."""

    def of(self, rows: Tensor) -> "Mix":
        return Mix(self.everywhere[rows], self.boxes[rows], self.share[rows])

    def images(self, images: Tensor) -> Tensor:
        """A mixed copy of a batch (B, 3, H, W)."""
        height, width = images.shape[2:]
        everywhere = self.everywhere.to(images.device).view(-1, 1, 1, 1)
        mask = everywhere.masked_fill(inside(self.boxes.to(images.device), height, width), 1.0)
        return torch.lerp(images, images.flip(0), mask)

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
    cut = torch.rand(count, generator=random) < bool(amount.cutmix) / (
        bool(amount.mixup) + bool(amount.cutmix)
    )
    alpha = np.where(cut.numpy(), amount.cutmix, amount.mixup)
    share = torch.from_numpy(beta.beta(alpha, alpha)).float()
    centres = torch.rand(count, 2, generator=random)
    boxes = rectangles(share * cut, torch.ones(count), height, width, centres)
    boxed = areas(boxes) / (height * width)
    return Mix(share * ~cut, boxes, torch.where(cut, boxed, share))
