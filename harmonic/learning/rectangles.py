"""Random rectangles in images, whole pixels, for erasing and cutting out."""

import torch
from torch import Tensor


def rectangles(area: Tensor, ratio: Tensor, height: int, width: int, centres: Tensor) -> Tensor:
    """(B, 4) whole numbers: top, bottom, left, right; bottom and right are the first outside.

    area: (B,) share of the image; ratio: (B,) height over width, of an image that is square;
    centres: (B, 2) in [0, 1], down and across. What lies outside the image is cut off.
    """
    sides = torch.stack([(area * ratio).sqrt(), (area / ratio).sqrt()], dim=1)
    size = torch.tensor([height, width])
    starts, stops = (
        ((centres + sign * sides / 2) * size).round().long().clamp(min=0) for sign in (-1, 1)
    )
    starts, stops = torch.minimum(starts, size), torch.minimum(stops, size)
    return torch.stack([starts[:, 0], stops[:, 0], starts[:, 1], stops[:, 1]], dim=1)


def areas(boxes: Tensor) -> Tensor:
    """Pixels in each rectangle, (B,)."""
    return (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2])


def inside(boxes: Tensor, height: int, width: int) -> Tensor:
    """(B, 1, H, W), true inside each image's rectangle; on the device of the boxes."""
    top, bottom, left, right = boxes.view(-1, 4, 1, 1).unbind(dim=1)
    rows = torch.arange(height, device=boxes.device).view(1, -1, 1)
    columns = torch.arange(width, device=boxes.device).view(1, 1, -1)
    return ((top <= rows) & (rows < bottom) & (left <= columns) & (columns < right))[:, None]
