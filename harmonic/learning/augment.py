"""Training images changed as it was drawn, on the device.

Dermoscopy has no up and no left, so all rotations and reflections keep the label; scale and light
differ from one photograph of a lesion to the next by as much as the parameters allow. Geometry is
one resampling, colour one product.

Images may also be made of two: mixup (Zhang et al. 2018, arXiv 1710.09412) and CutMix (Yun et al.
2019, arXiv 1905.04899). An image is mixed with the one that lies opposite in the batch, the first
with the last; as batches are in random order, that is a random partner.
"""

import torch
from torch import Tensor
from torch.nn import functional

from harmonic.learning.draws import Draws


def augment(images: Tensor, draws: Draws) -> Tensor:
    """A changed and mixed copy of a batch.

    images: float (B, 3, H, W) in [0, 1], on the device of the draws. Returns the same shape; values
    may leave [0, 1] slightly, as they are normalised next. Outside the image its mirror image is
    seen; what is erased takes the mean colour of the image.
    """
    height, width = images.shape[2:]
    moved = functional.grid_sample(
        images,
        sampling_grid(draws.matrices, height, width),
        mode="bilinear",
        padding_mode="reflection",
        align_corners=False,
    )
    brightness, contrast, saturation = draws.factors.view(-1, 3, 1, 1, 1).unbind(dim=1)
    mean = moved.mean(dim=(1, 2, 3), keepdim=True)
    grey = moved.mean(dim=1, keepdim=True)
    saturated = grey + saturation * (moved - grey)
    found = brightness * (mean + contrast * (saturated - mean))
    if draws.erased is not None:
        colour = found.mean(dim=(2, 3), keepdim=True)
        found = torch.where(inside(draws.erased, height, width), colour, found)
    if draws.boxes is None or draws.blended is None:
        return found
    cut = inside(draws.boxes, height, width)
    return torch.lerp(found, found.flip(0), draws.blended.view(-1, 1, 1, 1).masked_fill(cut, 1.0))


def mixed_targets(targets: Tensor, draws: Draws) -> Tensor:
    """The targets of a batch that is mixed so, (B, classes), of rows that sum to one."""
    if draws.partners is None:
        return targets
    return torch.lerp(targets, targets.flip(0), draws.partners[:, None])


def sampling_grid(matrices: Tensor, height: int, width: int) -> Tensor:
    """What affine_grid gives without aligned corners, (B, H, W, 2), up to rounding.

    Two sums instead of a product of thin matrices: a twentieth of its time on a CPU.
    """
    across = (2 * torch.arange(width, device=matrices.device) + 1) / width - 1
    down = (2 * torch.arange(height, device=matrices.device) + 1) / height - 1
    of_across, of_down, constant = matrices[..., None, None].unbind(dim=2)
    return (of_across * across + of_down * down[:, None] + constant).permute(0, 2, 3, 1)


def inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """(B, 1, H, W), true inside each image's rectangle."""
    top, bottom, left, right = boxes.view(-1, 4, 1, 1).unbind(dim=1)
    rows = torch.arange(height, device=boxes.device).view(1, -1, 1)
    columns = torch.arange(width, device=boxes.device).view(1, 1, -1)
    return ((top <= rows) & (rows < bottom) & (left <= columns) & (columns < right))[:, None]
