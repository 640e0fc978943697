"""How a convolution's kernel moves over an image: what nn.Conv2d's arguments say but its channels.

Layer, moments and surgery read it; it knows none of them.
"""

from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor

from .checks import integer, one_of, pair

Pair = tuple[int, int]
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


@dataclass(frozen=True)
class Geometry:
    """Fields are named and meant as nn.Conv2d's arguments; pairs are (height, width)."""

    kernel_size: Pair
    stride: Pair = (1, 1)
    padding: Pair | str = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    padding_mode: str = "zeros"

    @classmethod
    def checked(
        cls, kernel_size: Any, stride: Any, padding: Any, dilation: Any, groups: Any, mode: Any
    ) -> "Geometry":
        """Of nn.Conv2d's arguments; TypeError or ValueError names a wrong one."""
        strides = pair("stride", stride, least=1)
        if not isinstance(padding, str):
            padding = pair("padding", padding, least=0)
        elif one_of("padding", padding, ("valid", "same")) == "same" and strides != (1, 1):
            raise ValueError(f"padding='same' needs stride 1, not {stride=}")
        return cls(
            pair("kernel_size", kernel_size, least=1),
            strides,
            padding,
            pair("dilation", dilation, least=1),
            integer("groups", groups, least=1),
            one_of("padding_mode", mode, PADDING_MODES),
        )

    @classmethod
    def of(cls, conv: Any) -> "Geometry":
        """A convolution's own, as its attributes say now: they may be changed, as nn.Conv2d's."""
        where = conv.kernel_size, conv.stride, conv.padding, conv.dilation
        return cls(*where, conv.groups, conv.padding_mode)

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Padding at (left, right, top, bottom), as F.pad orders it."""
        if isinstance(self.padding, tuple):
            vertical, horizontal = self.padding
            return horizontal, horizontal, vertical, vertical
        if self.padding == "valid":
            return 0, 0, 0, 0
        # "same" is padding by the kernel's reach, its greater half behind
        sizes = zip(self.kernel_size, self.dilation, strict=True)
        vertical, horizontal = (dilation * (kernel - 1) for kernel, dilation in sizes)
        left, top = horizontal // 2, vertical // 2
        return left, horizontal - left, top, vertical - top

    def padded_ahead(self, images: Tensor) -> tuple[Tensor, "Geometry"]:
        """Images padded where that is not with zeros, and the geometry that is left to do."""
        if self.padding_mode == "zeros":
            return images, self
        left = Geometry(self.kernel_size, self.stride, (0, 0), self.dilation, self.groups)
        return F.pad(images, self.pads, mode=self.padding_mode), left

    def convolve(self, images: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """nn.Conv2d's forward."""
        images, left = self.padded_ahead(images)
        return F.conv2d(images, kernel, bias, left.stride, left.padding, left.dilation, left.groups)


def arguments_of(conv: Any) -> dict[str, Any]:
    """The arguments, but device, with which nn.Conv2d makes such a convolution."""
    return {
        "in_channels": conv.in_channels,
        "out_channels": conv.out_channels,
        "bias": conv.bias is not None,
        "dtype": conv.weight.dtype,
        **vars(Geometry.of(conv)),
    }
