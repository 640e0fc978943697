"""Batch norm of filter responses while it trains: by moments of the batch, or by maps.

In eval mode the statistics are constants and the layer is one convolution. In training they are the
batch's own: moments give them without a map of any response, maps are the plain way to them.
"""

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from .centred import centred_convolution, channel_means
from .patches import Axis
from .precision import computing_dtype
from .responses import response_maps, response_moments, use_moments

if TYPE_CHECKING:
    from .conv import HarmonicConv2d

MOST_DEVIATIONS = 8.0
"""A mean of more deviations than this is subtracted before it costs digits."""


def normalised_training(layer: "HarmonicConv2d", input: Tensor) -> Tensor:
    """Training with batch norm, by moments or by maps of all responses."""
    fits = input.dim() in (3, 4) and input.shape[-3] == layer.in_channels
    if not fits or computing_dtype(input) != computing_dtype(layer.weight):
        return layer.convolve(input, *layer.equivalent_kernel())  # raises what F.conv2d raises
    batch = input if input.dim() == 4 else input.unsqueeze(0)
    pads = layer.pads
    if layer.padding_mode != "zeros" and any(pads):
        batch = F.pad(batch, pads, mode=layer.padding_mode)
        pads = (0, 0, 0, 0)
    rows = Axis(batch.shape[2], layer.kernel_size[0], layer.stride[0], layer.dilation[0], pads[2:])
    columns = Axis(
        batch.shape[3], layer.kernel_size[1], layer.stride[1], layer.dilation[1], pads[:2]
    )
    count = len(batch) * rows.output * columns.output
    if rows.output > 0 and columns.output > 0 and count < 2:
        raise ValueError(f"batch norm needs more than 1 value per channel, not {count}")
    if use_moments(layer.statistics, batch, len(layer.filter_bank), rows, columns):
        output = by_moments(layer, batch, rows, columns)
    else:
        output = by_maps(layer, F.pad(batch, pads) if any(pads) else batch)
    return output if input.dim() == 4 else output.squeeze(0)


def by_moments(layer: "HarmonicConv2d", batch: Tensor, rows: Axis, columns: Axis) -> Tensor:
    """One convolution, whose kernel has the batch's statistics in it."""
    count = len(batch) * rows.output * columns.output
    offset = channel_means(batch)
    mean, variance = response_moments(batch, offset, layer.filter_bank, rows, columns)
    if layer.combine_statistics is not None:
        mean, variance, count = layer.combine_statistics(mean, variance, count)
    pads = (*columns.padding, *rows.padding)
    if pads[::2] == pads[1::2] and deviates_widely(batch, mean, variance + layer.eps):
        kernel, bias = layer.normalised_kernel(mean, variance)
        output = F.conv2d(
            batch, kernel, bias, layer.stride, pads[2::-2], layer.dilation, layer.groups
        )
    else:
        sums = layer.filter_bank.double().sum(dim=(1, 2))
        centred_mean = mean - torch.outer(offset.double(), sums).flatten()
        kernel, bias = layer.normalised_kernel(centred_mean, variance)
        output = centred_convolution(
            batch, offset, kernel, bias, layer.stride, pads, layer.dilation, layer.groups
        )
    with torch.no_grad():
        share = share_of_new_statistics(layer)
        unbiased = variance * (count / (count - 1))
        layer.running_mean.lerp_(mean.to(layer.running_mean.dtype), share)
        layer.running_var.lerp_(unbiased.to(layer.running_var.dtype), share)
    return output


def deviates_widely(batch: Tensor, mean: Tensor, variance: Tensor) -> bool:
    """Do all responses deviate so much from zero that centring the batch would gain no digits?

    Centring takes a copy forward and another backward, where a CPU's memory is the bottleneck; a
    mean of up to eight deviations costs at most three of float32's 24 bits. A GPU has the bandwidth
    to centre always, and would have to wait for the answer; so would a compiled graph.
    """
    if batch.device.type != "cpu" or torch.compiler.is_compiling():
        return False
    if computing_dtype(batch) not in (torch.float32, torch.float64):
        return False
    return bool((mean.square() <= MOST_DEVIATIONS**2 * variance).all())


def by_maps(layer: "HarmonicConv2d", padded: Tensor) -> Tensor:
    """A map for every filter and channel, normalised, then combined by a 1 × 1 convolution."""
    maps = response_maps(padded, layer.filter_bank, layer.stride, layer.dilation)
    share = share_of_new_statistics(layer)
    maps = F.batch_norm(
        maps, layer.running_mean, layer.running_var, None, None, True, share, layer.eps
    )
    return F.conv2d(
        maps, layer.weight.flatten(1)[:, :, None, None], layer.bias, groups=layer.groups
    )


def share_of_new_statistics(layer: "HarmonicConv2d") -> float:
    """Counts a batch; the weight of its statistics in the running ones, as in BatchNorm2d."""
    layer.num_batches_tracked.add_(1)
    return 1 / float(layer.num_batches_tracked) if layer.momentum is None else layer.momentum
