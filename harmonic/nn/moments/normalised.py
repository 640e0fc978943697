"""Batch norm of filter responses and their combination, as one convolution or the plain way."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from ..checks import one_of
from ..geometry import Geometry
from ..precision import computing_dtype
from .centred import centred_convolution, channel_means
from .covariance import patch_moments
from .patches import axes

CombineStatistics = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor, int]]
"""Mean and biased variance (C · F) of some values, and their count, to those of more values."""

STATISTICS = ("auto", "moments", "maps")
MOST_DEVIATIONS = 8.0
"""A mean of more deviations than this is subtracted before it costs digits."""


def use_moments(statistics: str, images: Tensor, filters: int, geometry: Geometry) -> bool:
    """Should a training step take the moments of the images, or maps of the responses?

    "auto" takes what is faster, by a rule fitted to steps timed on a CPU: maps cost about 19 ns a
    filter and input value, moments 9 ns a kernel row and value and a fixed few milliseconds.
    Raises ValueError for a batch of a single value per channel, as nn.BatchNorm2d does, and if
    `statistics` is no way of STATISTICS.
    """
    one_of("statistics", statistics, STATISTICS)
    rows, columns = axes(geometry, images)
    if rows.output < 1 or columns.output < 1 or not len(images):
        return False  # no output: the maps raise what F.conv2d raises, or take an empty batch
    if len(images) * rows.output * columns.output == 1:
        raise ValueError("batch norm needs more than 1 value per channel")
    if statistics == "auto":
        return images.numel() * (3 * filters - rows.kernel) > 1_200_000
    return statistics == "moments"


def response_maps(images: Tensor, bank: Tensor, geometry: Geometry) -> Tensor:
    """Every filter's response on every channel of the images: (N, C · F, H', W').

    bank: (F, kh, kw). This is the plain way: F times the activations of the input.
    """
    channels = images.shape[1]
    filters = bank.unsqueeze(1).repeat(channels, 1, 1, 1)
    images = F.pad(images, geometry.pads) if any(geometry.pads) else images
    return F.conv2d(images, filters, None, geometry.stride, 0, geometry.dilation, channels)


def convolve_normalised(
    images: Tensor,
    bank: Tensor,
    geometry: Geometry,
    kernel_of: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    eps: float,
    combine: CombineStatistics | None,
) -> tuple[Tensor, tuple[Tensor, Tensor, int]]:
    """Output of one convolution; the responses' mean, biased variance (C · F) and count.

    images: (N, C, H, W), to be padded with zeros. kernel_of: kernel and bias for a mean and a
    variance of the responses, to which `eps` will be added. combine: whose statistics they are,
    where the batch is a part of one.
    """
    offset = channel_means(images)
    found = _response_statistics(images, offset, bank, geometry)
    found = found if combine is None else combine(*found)
    mean, variance, _ = found
    if not _gains_by_centring(images, mean, variance + eps):
        return geometry.convolve(images, *kernel_of(mean, variance)), found
    sums = bank.double().sum(dim=(1, 2))
    kernel, bias = kernel_of(mean - torch.outer(offset.double(), sums).flatten(), variance)
    return centred_convolution(images, offset, kernel, bias, geometry), found


def _response_statistics(
    images: Tensor, offset: Tensor, bank: Tensor, geometry: Geometry
) -> tuple[Tensor, Tensor, int]:
    """Mean and biased variance of `response_maps`, each (C · F), float64, and their count.

    No map is made: the variance of a filter b is bᵀCb, C the covariance of the patches.
    """
    rows, columns = axes(geometry, images)
    patch_mean, patch_covariance = patch_moments(images, offset, rows, columns)
    with torch.autocast(images.device.type, enabled=False):
        filters = bank.flatten(1).double()
        mean = patch_mean @ filters.T
        variance = ((filters @ patch_covariance) * filters).sum(2)
    count = len(images) * rows.output * columns.output
    return mean.flatten(), variance.clamp_min(0).flatten(), count


def _gains_by_centring(images: Tensor, mean: Tensor, variance: Tensor) -> bool:
    """Does centring the images save digits, as some response's mean is so far from zero?

    Centring takes a copy forward and another backward, where a CPU's memory is the bottleneck; a
    mean of up to eight deviations costs at most three of float32's 24 bits. A GPU has the bandwidth
    to centre always, and would have to wait for the answer; so would a compiled graph.
    """
    if images.device.type != "cpu" or torch.compiler.is_compiling():
        return True
    if computing_dtype(images) not in (torch.float32, torch.float64):
        return True
    return not bool((mean.square() <= MOST_DEVIATIONS**2 * variance).all())
