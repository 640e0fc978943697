"""The arms: one network, taken apart into the ingredients of GEM's harmonic version.

GEM's has L1-scaled filters, for that reason smaller kernels at the start, and a first layer whose
responses are normalised. Each is an arm of its own here.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from harmonic.nn import HarmonicConv2d, filter_bank, fold


def initial_scale(kernel_size: tuple[int, int]) -> float:
    """What L1-scaled filters make of kernels drawn as nn.Conv2d draws its own: 0.4 for 3 × 3.

    A kernel then has the filters' mean squared length as its energy, where nn.Conv2d's has 1.
    """
    bank = filter_bank(kernel_size, norm="l1")
    return float(bank.flatten(1).square().sum(1).mean().sqrt())


@torch.no_grad()
def scaled(model: nn.Module) -> nn.Module:
    """The model with the authors' smaller kernels; in place. Normalised responses have no scale."""
    for module in model.modules():
        convolution = isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1)
        if convolution or (isinstance(module, HarmonicConv2d) and not module.batch_norm):
            module.weight.mul_(initial_scale(module.kernel_size))  # type: ignore[arg-type, operator]
    return model


def only_first(model: nn.Module) -> nn.Module:
    """The model with plain convolutions but for the normalised first layer; in place."""
    for name, child in list(model.named_children()):
        if not any(isinstance(one, HarmonicConv2d) and one.batch_norm for one in child.modules()):
            setattr(model, name, fold(child))
    return model


Arm = tuple[str, dict[str, Any], Callable[[nn.Module], nn.Module] | None]
"""Kind of convolution, options of build_network, what is changed before training."""
ARMS: dict[str, Arm] = {
    "plain": ("plain", {}, None),
    "plain-scaled": ("plain", {}, scaled),
    "plain-first": ("harmonic", {"batch_norm": "first"}, only_first),
    "ortho": ("harmonic", {}, None),
    "ortho-first": ("harmonic", {"batch_norm": "first"}, None),
    "l1": ("harmonic", {"norm": "l1"}, None),
    "l1-first": ("harmonic", {"norm": "l1", "batch_norm": "first"}, None),
    "gem": ("harmonic", {"norm": "l1", "batch_norm": "first"}, scaled),
    "level3": ("harmonic", {"level": 3}, None),
    "level2": ("harmonic", {"level": 2}, None),
}
