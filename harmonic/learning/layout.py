"""How images and activations lie in memory: channels last, but where that would corrupt memory.

oneDNN's gradient of the weights of a strided 1 × 1 convolution writes past its working memory when
the images are channels last and have fewer channels than a vector register has floats: wrong
gradients, a hang or a crash, on x86-64 with AVX2 or AVX-512. docs/onednn-narrow-channels.md has it
all. Everything that trains, or asks for another gradient, takes its layout from here.
"""

import torch
from torch import nn

from harmonic.nn.conv import HarmonicConv2d

REGISTER = 16
"""Floats in a register of AVX-512. AVX2 has 8; one number gives one layout on all machines, and so
the same bits in exact mode."""


def memory_format_for(model: nn.Module, device: torch.device) -> torch.memory_format:
    """The layout of a model's images: channels last, on a CPU only if no gradient goes wrong so.

    Layers take the layout of their input and hand it on, so that of the images is that of all, as
    long as the model's own weights are not channels last.
    """
    if device.type == "cpu" and any(map(goes_wrong_channels_last, model.modules())):
        return torch.contiguous_format
    return torch.channels_last


def goes_wrong_channels_last(layer: nn.Module) -> bool:
    """Is it a strided 1 × 1 convolution of few channels? (Grouped ones take another path.)"""
    return (
        isinstance(layer, nn.Conv2d | HarmonicConv2d)
        and tuple(layer.kernel_size) == (1, 1)
        and tuple(layer.stride) != (1, 1)
        and layer.in_channels < REGISTER
    )
