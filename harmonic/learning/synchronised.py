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
    """nn.BatchNorm2d whose batch, in training, is that of all processes; on CPU and GPU."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training:
            return super().forward(input)
        wide = input.float()
        variance, mean = torch.var_mean(wide, dim=(0, 2, 3), correction=0)
        mean, variance, count = over_all_processes(mean, variance, wide[:, 0].numel())
        self._follow(mean.detach(), variance.detach() * (count / (count - 1)))
        scale = self.weight * torch.rsqrt(variance + self.eps)
        shift = self.bias - mean * scale
        return (wide * scale[:, None, None] + shift[:, None, None]).to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor) -> None:
        assert self.momentum is not None
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def synchronise(model: nn.Module) -> None:
    """Let every batch norm of the model, harmonic layers' included, see all processes' images."""
    for parent in list(model.modules()):
        if isinstance(parent, HarmonicConv2d):
            parent.statistics = "moments"
            parent.combine_statistics = over_all_processes
        for name, child in parent.named_children():
            if type(child) is nn.BatchNorm2d:
                setattr(parent, name, synchronised(child))


def synchronised(norm: nn.BatchNorm2d) -> SynchronisedBatchNorm2d:
    """The same layer, sharing parameters and running statistics."""
    if not norm.affine or not norm.track_running_stats or norm.momentum is None:
        raise ValueError(f"{norm} must have affine parameters, running statistics and momentum")
    new = SynchronisedBatchNorm2d(norm.num_features, norm.eps, norm.momentum)
    new.weight, new.bias = norm.weight, norm.bias
    new.running_mean, new.running_var = norm.running_mean, norm.running_var
    new.num_batches_tracked = norm.num_batches_tracked
    return new
