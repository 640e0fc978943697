"""Batch statistics over the images of all processes.

torch.nn.SyncBatchNorm does this on CUDA alone, and not for the responses of harmonic layers.
"""

from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

from harmonic.nn.conv import HarmonicConv2d


class _Sum(torch.autograd.Function):
    """Sum over all processes; every process's result depends on it, so gradients are summed too."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _Sum.apply(gradient)  # not all_reduce, which second derivatives cannot see


def over_all_processes(mean: Tensor, variance: Tensor, count: int) -> tuple[Tensor, Tensor, int]:
    """Mean and biased variance (C,) of this process's `count` values to those of all, and count.

    The mean first and then squares about it, so that a large mean costs no digits (Chan, Golub and
    LeVeque 1983). Differentiable.
    """
    sums = _Sum.apply(torch.cat([mean.double() * count, mean.new_tensor([count]).double()]))
    total = int(sums[-1])
    overall = sums[:-1] / total
    spread = variance.double() + (mean.double() - overall).square()
    overall_variance = _Sum.apply(spread * count) / total
    return overall.to(mean.dtype), overall_variance.to(variance.dtype), total


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """nn.BatchNorm2d, as the networks have it, whose batch, in training, is that of all processes.

    On CPU and GPU; with affine parameters, running statistics and a momentum.
    """

    momentum: float
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        wide = input.float()
        variance, mean = torch.var_mean(wide, dim=(0, 2, 3), correction=0)
        mean, variance, count = over_all_processes(mean, variance, wide[:, 0].numel())
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (wide * scale[:, None, None] + shift[:, None, None]).to(input.dtype)


def synchronise(model: nn.Module) -> None:
    """Let every batch norm of the model, harmonic layers' included, see all processes' images."""
    for layer in model.modules():
        if isinstance(layer, HarmonicConv2d):
            layer.statistics = "moments"
            layer.combine_statistics = over_all_processes
        elif type(layer) is nn.BatchNorm2d:
            layer.__class__ = SynchronisedBatchNorm2d  # it has no attributes of its own
