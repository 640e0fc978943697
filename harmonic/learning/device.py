"""Where, in what precision and in what layout in memory a network computes, and how it is compiled.

Layout is channels last, but where that would corrupt memory: oneDNN's gradient of the weights of a
strided 1 × 1 convolution writes past its working memory when the images are channels last and have
fewer channels than a vector register has floats: wrong gradients, a hang or a crash, on x86-64 with
AVX2 or AVX-512. docs/onednn-narrow-channels.md has it all. Everything that trains, or asks for
another gradient, takes its layout from here.
"""

import sys
from contextlib import AbstractContextManager

import torch
from torch import nn

from harmonic.errors import InputError
from harmonic.nn.conv import HarmonicConv2d

REGISTER = 16
"""Floats in a register of AVX-512. AVX2 has 8; one number gives one layout on all machines, and so
the same bits in exact mode."""


def choose_device(name: str) -> torch.device:
    """The device that `auto`, `cpu`, `cuda` or `cuda:N` names here.

    Raises InputError where a CUDA device is asked for that is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise InputError(
            f"device is {name}; this machine has {torch.cuda.device_count()} CUDA devices, "
            "cpu and auto always work"
        )
    return device


def forward_precision(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context of a training step's forward pass: float32, or autocast to bfloat16.

    precision: float32, bfloat16, or auto, which is bfloat16 on a GPU that computes in it. Weights,
    loss and optimizer stay in float32 either way.
    """
    fast = precision == "bfloat16"
    if precision == "auto" and device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


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


def compile_in_place(model: nn.Module, device: torch.device) -> None:
    """Let training calls of the model run compiled; one line on stderr where that cannot be.

    Its parameters, names and results are as before, the latter up to rounding; so is the layout in
    memory, where the compiler would choose channels last for every network on a CPU.
    """
    try:
        # What is needed (a C++ compiler, Triton, Python's headers) differs between devices.
        torch.compile(lambda values: values.sin() + 1)(torch.ones(4, device=device))
    except RuntimeError as error:  # what torch.compile raises derives from it
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        print(f"train.compile: going on without, as the compiler failed: {reason}", file=sys.stderr)
        return
    narrow = memory_format_for(model, device) != torch.channels_last
    model.compile(options={"layout_optimization": False} if narrow else None)
