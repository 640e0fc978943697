"""Where and in what precision a network computes."""

from contextlib import AbstractContextManager

import torch

from harmonic.errors import InputError


def forward_precision(precision: str, device: torch.device) -> AbstractContextManager[object]:
    """The context of a training step's forward pass: float32, or autocast to bfloat16.

    precision: float32, bfloat16, or auto, which is bfloat16 on a GPU that computes in it. Weights,
    loss and optimizer stay in float32 either way.
    """
    if precision == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = precision == "bfloat16"
    return torch.autocast(device.type, torch.bfloat16, enabled=fast)


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
