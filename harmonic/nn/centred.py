"""Convolution of a batch less its channels' means.

A mean far above the deviation leaves few digits for what varies: products of kernel and image, and
still more their sums in the gradient of the kernel, would be rounded at the size of the mean.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import computing_dtype, summing_dtype, without_autocast

Pair = tuple[int, int]


def channel_means(images: Tensor) -> Tensor:
    """Mean of each channel over batch and positions, (C), without gradient; halves in float32."""
    return images.detach().mean(dim=(0, 2, 3), dtype=summing_dtype(images))


def centred_convolution(
    images: Tensor,
    offset: Tensor,
    kernel: Tensor,
    bias: Tensor,
    stride: Pair,
    pads: tuple[int, int, int, int],
    dilation: Pair,
    groups: int,
) -> Tensor:
    """F.conv2d of (zero-padded images) − offset, the padding included: it becomes −offset.

    images: (N, C, H, W); offset: (C), constant; pads: (left, right, top, bottom). Nothing but the
    images, the kernel and the offset is kept for the backward pass. Under autocast the difference
    is taken before the cast, so that it keeps its digits.
    """
    dtype = computing_dtype(images)
    with without_autocast(images.device):
        kernel, bias = kernel.to(dtype), bias.to(dtype)
        return _CentredConvolution.apply(
            images, offset, kernel, bias, stride, pads, dilation, groups
        )


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
        stride: Pair,
        pads: tuple[int, int, int, int],
        dilation: Pair,
        groups: int,
    ) -> Tensor:
        ctx.save_for_backward(images, offset, kernel)
        ctx.geometry = stride, pads, dilation, groups
        centred = _centred(images, offset, pads, kernel.dtype)
        return F.conv2d(centred, kernel, bias, stride, 0, dilation, groups)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, offset, kernel = ctx.saved_tensors
        stride, pads, dilation, groups = ctx.geometry
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
                stride,
                (0, 0),
                dilation,
                False,
                (0, 0),
                groups,
                (needs[0], needs[2], needs[3]),
            )
        if of_images is not None:
            left, right, top, bottom = pads
            of_images = of_images[
                :, :, top : of_images.shape[2] - bottom, left : of_images.shape[3] - right
            ].to(images.dtype)
        return of_images, None, of_kernel, of_bias, None, None, None, None


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
