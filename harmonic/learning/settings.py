"""How a network is trained, in frozen objects; the units stand in params.yaml."""

import math
from contextlib import AbstractContextManager
from dataclasses import dataclass

import torch

from harmonic.errors import InputError


@dataclass(frozen=True)
class Augmentation:
    """How far an image may be changed; all zero leaves flips and rotations alone."""

    zoom: float
    """Largest relative change of scale."""
    shift: float
    """Largest shift, as a share of the image side."""
    colour: float
    """Largest relative change of brightness, contrast and saturation."""
    erasing: float
    """Share of the images in which a rectangle is painted over."""


@dataclass(frozen=True)
class Mixing:
    """How strongly images are mixed; with both on, each image is mixed in one way by lot."""

    mixup: float
    """α of the Beta(α, α) distribution that the partner's share is drawn from; 0: off."""
    cutmix: float
    """The same for the rectangle's share of the image."""


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
    focal_gamma: float
    label_smoothing: float
    augmentation: Augmentation
    mixing: Mixing
    compile: bool


@dataclass(frozen=True)
class Schedule:
    """How long training lasts and how the learning rate runs."""

    epochs: int
    lr: float
    warmup: float
    ema: float
    kind: str
    """cosine: a linear rise over the warm-up, then half a cosine towards 0. one_cycle: half a
    cosine up from lr / 25 and one down to lr / 250,000, while the momentum falls from 0.95 to 0.85
    and rises again (Smith and Topin 2017, arXiv 1708.07120, in the form of torch's OneCycleLR)."""

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0."""
        if self.kind == "one_cycle":
            return self.cycled(self.lr / 25, self.lr, self.lr / 250_000, step, steps)
        rise = round(self.warmup * steps)
        if step < rise:
            return self.lr * (step + 1) / rise
        progress = (step - rise) / max(1, steps - rise)
        return half_cosine(self.lr, 0.0, progress)

    def momentum_at(self, step: int, steps: int) -> float | None:
        """The momentum of a step; None where it stays what the optimizer began with."""
        return self.cycled(0.95, 0.85, 0.95, step, steps) if self.kind == "one_cycle" else None

    def cycled(self, first: float, peak: float, last: float, step: int, steps: int) -> float:
        turn = self.warmup * steps - 1
        if step <= turn:
            return half_cosine(first, peak, step / turn if turn else 1.0)
        return half_cosine(peak, last, (step - turn) / max(1.0, steps - 1 - turn))


def half_cosine(first: float, last: float, progress: float) -> float:
    """From `first` to `last` as progress goes from 0 to 1, level at both ends."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * progress))


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
