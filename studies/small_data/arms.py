"""The arms: one network, taken apart into the ingredients of GEM's harmonic version.

GEM's has L1-scaled filters, for that reason smaller kernels at the start, and a first layer whose
responses are normalised. Each is an arm of its own here.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from harmonic.nn import HarmonicConv2d, build_network, filter_bank, fold


def initial_scale(kernel_size: tuple[int, int]) -> float:
    """What L1-scaled filters make of kernels drawn as nn.Conv2d draws its own: 0.4 for 3 × 3.

    The authors draw coefficients and leave the filters' lengths in: a kernel then has the filters'
    mean squared length as its energy, where nn.Conv2d's has 1.
    """
    bank = filter_bank(kernel_size, norm="l1")
    return float(bank.flatten(1).square().sum(1).mean().sqrt())


@torch.no_grad()
def scaled(model: nn.Module) -> nn.Module:
    """The model with the authors' smaller kernels; in place. Normalised responses have no scale."""
    for module in model.modules():
        convolution = isinstance(module, nn.Conv2d) and module.kernel_size != (1, 1)
        linear = isinstance(module, HarmonicConv2d) and not module.batch_norm
        if convolution or linear:
            module.weight.mul_(initial_scale(module.kernel_size))  # type: ignore[arg-type, operator]
    return model


def only_first(model: nn.Module) -> nn.Module:
    """The model with plain convolutions but for the normalised first layer; in place."""
    for name, child in list(model.named_children()):
        layers = [layer for layer in child.modules() if isinstance(layer, HarmonicConv2d)]
        if not any(layer.batch_norm for layer in layers):
            setattr(model, name, fold(child))
    return model


def as_built(model: nn.Module) -> nn.Module:
    return model


Arm = tuple[str, dict[str, Any], Callable[[nn.Module], nn.Module]]
"""Kind of convolution, options of build_network, what is changed before training."""
ARMS: dict[str, Arm] = {
    "plain": ("plain", {}, as_built),
    "plain-scaled": ("plain", {}, scaled),
    "plain-first": ("harmonic", {"batch_norm": "first"}, only_first),
    "ortho": ("harmonic", {}, as_built),
    "ortho-first": ("harmonic", {"batch_norm": "first"}, as_built),
    "l1": ("harmonic", {"norm": "l1"}, as_built),
    "l1-first": ("harmonic", {"norm": "l1", "batch_norm": "first"}, as_built),
    "gem": ("harmonic", {"norm": "l1", "batch_norm": "first"}, scaled),
    "level3": ("harmonic", {"level": 3}, as_built),
    "level2": ("harmonic", {"level": 2}, as_built),
}


def build(arm: str, network: str, options: dict[str, Any], seed: int) -> nn.Module:
    """The network of an arm with fresh weights."""
    torch.manual_seed(seed)
    conv, own, change = ARMS[arm]
    return change(build_network(network, conv=conv, **options, **own))
