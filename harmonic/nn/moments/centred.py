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


def store_sum(out: Tensor, first: Tensor, second: Tensor) -> None:
    """out ← first + second in one pass over memory.

    `torch.compile` knows no `out` that is a view, and joins the two passes by itself.
    """
    if torch.compiler.is_compiling():
        out.copy_(first + second)
    else:
        torch.add(first, second, out=out)


class _CentredConvolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        offset: Tensor,
        kernel: Tensor,
        bias: Tensor,
        geometry: Geometry,
    ) -> Tensor:
        ctx.save_for_backward(images, offset, kernel)
        ctx.geometry = geometry
        centred = _centred(images, offset, geometry.pads, kernel.dtype)
        return F.conv2d(
            centred, kernel, bias, geometry.stride, 0, geometry.dilation, geometry.groups
        )

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, offset, kernel = ctx.saved_tensors
        geometry = ctx.geometry
        pads = geometry.pads
        needs = ctx.needs_input_grad
        if torch.is_grad_enabled():  # create_graph=True: what writes in place cannot be in a graph
            centred = (F.pad(images, pads) - offset[:, None, None]).to(kernel.dtype)
        else:
            centred = _centred(images, offset, pads, kernel.dtype)
        with without_autocast(images.device):
            of_images, of_kernel, of_bias = torch.ops.aten.convolution_backward(
                gradient,
                centred,
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
            left, top = pads[::2]
            height, width = images.shape[2:]
            of_images = of_images[:, :, top : top + height, left : left + width].to(images.dtype)
        return of_images, None, of_kernel, of_bias, None


def _centred(
    images: Tensor, offset: Tensor, pads: tuple[int, int, int, int], dtype: torch.dtype
) -> Tensor:
    """(images − offset, padded with −offset), written in one pass; channels last stay so."""
    left, right, top, bottom = pads
    batch, channels, height, width = images.shape
    channels_last = images.is_contiguous(memory_format=torch.channels_last)
    centred = torch.empty(
        (batch, channels, top + height + bottom, left + width + right),
        dtype=dtype,
        device=images.device,
        memory_format=torch.channels_last if channels_last else torch.contiguous_format,
    )
    below, beside = top + height, left + width
    inside = centred[:, :, top:below, left:beside]
    store_sum(inside, images, -offset[:, None, None])
    borders = (
        centred[:, :, :top],
        centred[:, :, below:],
        centred[:, :, top:below, :left],
        centred[:, :, top:below, beside:],
    )
    for border in borders:
        border.copy_(-offset[:, None, None])
    return centred
