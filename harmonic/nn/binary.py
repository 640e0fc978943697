"""Weights of two or three values: a scale for each output filter times signs.

binary: w ≈ α · sign(w) with α = mean |w|, the least-squares choice (Rastegari et al. 2016,
arXiv 1603.05279, equations 4 and 6). ternary: weights below Δ = 0.7 · mean |w| become 0, the others
α · sign(w) with α their mean |w| (Li et al. 2016, arXiv 1605.04711, equations 5 and 6).

Training goes straight through: the forward pass sees the quantised weights, the gradient reaches
the real ones unchanged (Bengio et al. 2013, arXiv 1308.3432). In a harmonic layer the weights are
its coefficients on the filters, in a plain one the pixels of its kernels.
"""

import copy

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from .checks import module, one_of
from .conv import HarmonicConv2d

BINARIZE = ("none", "binary", "ternary")
LAYERS = ("inner", "all")
TERNARY_THRESHOLD = 0.7


def signs_and_scales(weight: Tensor, kind: str) -> tuple[Tensor, Tensor]:
    """Signs (weight's shape; ±1, for "ternary" also 0) and scales (out_channels, 1, …)."""
    over = tuple(range(1, weight.dim()))
    size = weight.abs()
    mean = size.mean(dim=over, keepdim=True)
    signs = torch.where(weight < 0, -1.0, 1.0).to(weight.dtype)
    if kind == "binary":
        return signs, mean
    kept = size > TERNARY_THRESHOLD * mean
    count = kept.sum(dim=over, keepdim=True).clamp(min=1)
    return signs * kept, (size * kept).sum(dim=over, keepdim=True) / count


class Quantised(nn.Module):
    """A parametrisation: real weights in, weights of two or three values a filter out."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, weight: Tensor) -> Tensor:
        with torch.no_grad():
            signs, scales = signs_and_scales(weight, self.kind)
            quantised = signs * scales
        # The difference is exactly 0, so the values are those of `quantised` to the bit.
        return quantised + (weight - weight.detach())


def binarize(model: nn.Module, kind: str, *, layers: str = "inner") -> nn.Module:
    """A copy whose convolutions and linear layers have quantised weights, trained straight through.

    kind: "none" (a plain copy), "binary" or "ternary". layers: "inner" leaves the first convolution
    and the last linear layer as they are (1 % of the weights, and the ones that cost most
    accuracy), "all" leaves none. Biases and batch norm stay real numbers.
    Raises TypeError or ValueError for a wrong argument.
    """
    one_of("binarize", kind, BINARIZE)
    one_of("binarize_layers", layers, LAYERS)
    model = copy.deepcopy(module("model", model))
    if kind == "none":
        return model
    chosen = [one for one in model.modules() if isinstance(one, HarmonicConv2d | nn.Conv2d)]
    linear = [one for one in model.modules() if isinstance(one, nn.Linear)]
    if layers == "inner":
        chosen, linear = chosen[1:], linear[:-1]
    for layer in [*chosen, *linear]:
        if not parametrize.is_parametrized(layer):
            parametrize.register_parametrization(layer, "weight", Quantised(kind))
    return model


def quantised_layers(model: nn.Module) -> dict[str, str]:
    """Names of the binarised layers of a model, and their kind."""
    found = {}
    for name, layer in model.named_modules():
        if parametrize.is_parametrized(layer, "weight"):
            first = layer.parametrizations["weight"][0]
            if isinstance(first, Quantised):
                found[name] = first.kind
    return found


def settled(model: nn.Module) -> nn.Module:
    """A copy whose quantised weights are ordinary parameters, equal to the bit.

    What `fold` and the export need; training it would make the weights real numbers again.
    """
    model = copy.deepcopy(model)
    for name in quantised_layers(model):
        layer = model.get_submodule(name)
        weight = layer.weight.detach().clone()  # type: ignore[operator]
        # remove_parametrizations would take the property from the class, which copies share.
        layer.__class__ = type(layer).__bases__[0]
        del layer.parametrizations
        layer.weight = nn.Parameter(weight)
    return model
