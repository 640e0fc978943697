"""Statistics of filter responses for batch norm in training: the plain way and by moments."""

import torch
import torch.nn.functional as F
from torch import Tensor

from .checks import one_of
from .moments import patch_moments
from .patches import Axis

STATISTICS = ("auto", "moments", "maps")


def response_maps(
    images: Tensor, bank: Tensor, stride: tuple[int, int], dilation: tuple[int, int]
) -> Tensor:
    """Every filter's response on every channel of padded images: (N, C · F, H', W').

    bank: (F, kh, kw). This is the plain way: F times the activations of the input.
    """
    channels = images.shape[1]
    filters = bank.unsqueeze(1).repeat(channels, 1, 1, 1)
    return F.conv2d(images, filters, None, stride, 0, dilation, channels)


def response_moments(
    images: Tensor, offset: Tensor, bank: Tensor, rows: Axis, columns: Axis
) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of `response_maps`, each (C · F), float64, without maps.

    images: (N, C, H, W) without the zero padding that the axes name; offset: (C), the channels'
    means. The variance of a filter b is
    bᵀCb, C the covariance of the patches; see `harmonic.nn.moments`.
    """
    patch_mean, patch_covariance = patch_moments(images, offset, rows, columns)
    with torch.autocast(images.device.type, enabled=False):
        filters = bank.flatten(1).double()
        mean = patch_mean @ filters.T
        variance = ((filters @ patch_covariance) * filters).sum(2)
        return mean.flatten(), variance.clamp_min(0).flatten()


def use_moments(statistics: str, images: Tensor, filters: int, rows: Axis, columns: Axis) -> bool:
    """Should a training step take the moments? ValueError if `statistics` is no way of STATISTICS.

    "auto" takes what is faster, by a rule fitted to steps timed on a CPU: maps cost about 19 ns a
    filter and input value, moments 9 ns a kernel row and value and a fixed few milliseconds.
    """
    one_of("statistics", statistics, STATISTICS)
    if rows.output < 1 or columns.output < 1:
        return False  # no output: making the maps raises what F.conv2d raises
    if statistics == "auto":
        return images.numel() * (3 * filters - rows.kernel) > 1_200_000
    return statistics == "moments"
