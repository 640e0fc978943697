"""How a network is trained, in frozen objects; the units stand in params.yaml."""

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from harmonic.errors import InputError
from harmonic.learning.augment import Augmentation


@dataclass(frozen=True)
class Recipe:
    """What one optimizer step is, whatever the learning rate."""

    seed: int
    batch_size: int
    precision: str
    optimizer: str
    weight_decay: float
    clip: float
    imbalance: str
    label_smoothing: float
    augmentation: Augmentation


@dataclass(frozen=True)
class Schedule:
    """How long training lasts and how the learning rate runs."""

    epochs: int
    lr: float
    warmup: float
    ema: float

    def rate_at(self, step: int, steps: int) -> float:
        """The rate of a step: a linear rise over the warm-up, then half a cosine towards 0."""
        rise = round(self.warmup * steps)
        if step < rise:
            return self.lr * (step + 1) / rise
        progress = (step - rise) / max(1, steps - rise)
        return self.lr * 0.5 * (1 + math.cos(math.pi * progress))


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
