"""The convolution that batch norm of filter responses comes to, with the batch's statistics."""

from collections.abc import Callable

import torch
from torch import Tensor

from ..geometry import Geometry
from ..precision import computing_dtype
from .centred import centred_convolution, channel_means
from .responses import response_statistics

CombineStatistics = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor, int]]
"""Mean and biased variance (C · F) of some values, and their count, to those of more values."""

MOST_DEVIATIONS = 8.0
"""A mean of more deviations than this is subtracted before it costs digits."""


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
    found = response_statistics(images, offset, bank, geometry)
    found = found if combine is None else combine(*found)
    mean, variance, _ = found
    if not gains_by_centring(images, mean, variance + eps):
        return geometry.convolve(images, *kernel_of(mean, variance)), found
    sums = bank.double().sum(dim=(1, 2))
    kernel, bias = kernel_of(mean - torch.outer(offset.double(), sums).flatten(), variance)
    return centred_convolution(images, offset, kernel, bias, geometry), found


def gains_by_centring(images: Tensor, mean: Tensor, variance: Tensor) -> bool:
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
