"""Convolution of a batch less its channels' means.

A mean far above the deviation leaves few digits for what varies: products of kernel and image, and
still more their sums in the gradient of the kernel, would be rounded at the size of the mean.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..geometry import Geometry
from ..precision import computing_dtype, summing_dtype, without_autocast


def channel_means(images: Tensor) -> Tensor:
    """Mean of each channel over batch and positions, (C), without gradient; halves in float32."""
    return images.detach().mean(dim=(0, 2, 3), dtype=summing_dtype(images))


def centred_convolution(
    images: Tensor, offset: Tensor, kernel: Tensor, bias: Tensor, geometry: Geometry
) -> Tensor:
    """F.conv2d of (zero-padded images) − offset, the padding included: it becomes −offset.

    images: (N, C, H, W); offset: (C), constant. Nothing but the images, the kernel and the offset
    is kept for the backward pass. Under autocast the difference is taken before the cast, so that
    it keeps its digits.
    """
    dtype = computing_dtype(images)
    with without_autocast(images.device):
        return _CentredConvolution.apply(images, offset, kernel.to(dtype), bias.to(dtype), geometry)


class _CentredConvolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, images: Tensor, offset: Tensor, kernel: Tensor, bias: Tensor, geometry: Geometry
    ) -> Tensor:
        ctx.save_for_backward(images, offset, kernel)
        ctx.geometry = geometry
        moves = geometry.stride, 0, geometry.dilation, geometry.groups
        return F.conv2d(_centred(images, offset, kernel, geometry), kernel, bias, *moves)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, offset, kernel = ctx.saved_tensors
        geometry = ctx.geometry
        needs = ctx.needs_input_grad
        with without_autocast(images.device):
            of_images, of_kernel, of_bias = torch.ops.aten.convolution_backward(
                gradient,
                _centred(images, offset, kernel, geometry),
                kernel,
                [len(kernel)],
                geometry.stride,
                (0, 0),
                geometry.dilation,
                False,
                (0, 0),
                geometry.groups,
                (needs[0], needs[2], needs[3]),
            )
        if of_images is not None:
            left, _, top, _ = geometry.pads
            height, width = images.shape[2:]
            of_images = of_images[:, :, top : top + height, left : left + width].to(images.dtype)
        return of_images, None, of_kernel, of_bias, None


def _centred(images: Tensor, offset: Tensor, kernel: Tensor, geometry: Geometry) -> Tensor:
    """Zero-padded images − offset, in the kernel's dtype; channels last stay so."""
    padded = F.pad(images, geometry.pads) if any(geometry.pads) else images
    return (padded - offset[:, None, None]).to(kernel.dtype)
