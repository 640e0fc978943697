"""Statistics of filter responses for batch norm in training: the plain way and by moments."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import one_of
from ..geometry import Geometry
from .covariance import patch_moments
from .patches import axes

STATISTICS = ("auto", "moments", "maps")


def response_maps(images: Tensor, bank: Tensor, geometry: Geometry) -> Tensor:
    """Every filter's response on every channel of the images: (N, C · F, H', W').

    bank: (F, kh, kw). This is the plain way: F times the activations of the input.
    """
    channels = images.shape[1]
    filters = bank.unsqueeze(1).repeat(channels, 1, 1, 1)
    images = F.pad(images, geometry.pads) if any(geometry.pads) else images
    return F.conv2d(images, filters, None, geometry.stride, 0, geometry.dilation, channels)


def response_statistics(
    images: Tensor, offset: Tensor, bank: Tensor, geometry: Geometry
) -> tuple[Tensor, Tensor, int]:
    """Mean and biased variance of `response_maps`, each (C · F), float64, and their count.

    offset: (C), the channels' means. No map is made: the variance of a filter b is bᵀCb, C the
    covariance of the patches; see `patch_moments`. The count is that of values per response.
    """
    rows, columns = axes(geometry, images)
    patch_mean, patch_covariance = patch_moments(images, offset, rows, columns)
    with torch.autocast(images.device.type, enabled=False):
        filters = bank.flatten(1).double()
        mean = patch_mean @ filters.T
        variance = ((filters @ patch_covariance) * filters).sum(2)
    count = len(images) * rows.output * columns.output
    return mean.flatten(), variance.clamp_min(0).flatten(), count


def use_moments(statistics: str, images: Tensor, filters: int, geometry: Geometry) -> bool:
    """Should a training step take the moments of the images, or maps of the responses?

    "auto" takes what is faster, by a rule fitted to steps timed on a CPU: maps cost about 19 ns a
    filter and input value, moments 9 ns a kernel row and value and a fixed few milliseconds.
    Raises ValueError for a batch of a single value per channel, as nn.BatchNorm2d does, and if
    `statistics` is no way of STATISTICS.
    """
    one_of("statistics", statistics, STATISTICS)
    rows, columns = axes(geometry, images)
    if rows.output < 1 or columns.output < 1:
        return False  # no output: making the maps raises what F.conv2d raises
    if (count := len(images) * rows.output * columns.output) < 2:
        raise ValueError(f"batch norm needs more than 1 value per channel, not {count}")
    if statistics == "auto":
        return images.numel() * (3 * filters - rows.kernel) > 1_200_000
    return statistics == "moments"
