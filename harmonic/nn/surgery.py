"""Changing a model's convolutions: to harmonic ones, and back to plain ones."""

from typing import TypeGuard

import torch
from torch import nn

from .checks import integer, one_of
from .conv import OWN_ARGUMENTS, HarmonicConv2d
from .filters import NORMS, RANDOM
from .geometry import arguments_of
from .transforms import TRANSFORMS
from .trees import Ties, replaced

BATCH_NORM = ("none", "first", "all")


def harmonize(
    model: nn.Module,
    *,
    level: int | None = None,
    norm: str = "ortho",
    transform: str = "dct2",
    batch_norm: str = "none",
) -> nn.Module:
    """A copy of the model with every nn.Conv2d larger than 1 × 1 made harmonic.

    Kernels are projected onto the filters: with all levels and no batch norm the copy computes
    what the model computes, with fewer levels the nearest kernels the bank can express. All
    arguments of the convolutions, dtype, device, training flag, requires_grad, modules used
    twice and hooks are kept; a weight that two convolutions share stays shared if both become
    layers of one kind. Left alone, as they may compute something else, are subclasses of nn.Conv2d,
    convolutions whose weight is not a parameter (weight or spectral normalisation, pruning) and
    complex ones. Not kept are buffers and attributes that a convolution was given besides its own;
    convolutions outside the module tree, as in a plain list, are not seen.

    level, norm, transform: as in `filter_bank`.
    batch_norm: "none"; "first": the first convolution normalises its responses and keeps all
        frequencies, the recipe of arXiv 2001.06570; "all": every one normalises. A layer with
        batch norm starts from running mean 0 and each filter's squared length as variance, with
        which it computes in eval mode what the convolution did; it fits them as it trains.

    Raises TypeError if model is no module, TypeError or ValueError for the other arguments.
    """
    check_module(model)
    if level is not None:
        integer("level", level, least=1)
    one_of("norm", norm, NORMS)
    one_of("transform", transform, (*TRANSFORMS, RANDOM))
    one_of("batch_norm", batch_norm, BATCH_NORM)
    first = True
    ties = Ties()

    def convert(module: nn.Module) -> nn.Module | None:
        nonlocal first
        if not _is_ordinary(module) or module.kernel_size == (1, 1):
            return None
        is_first, first = first, False
        paper_root = batch_norm == "first" and is_first
        return _harmonic(
            module,
            ties,
            level=None if paper_root else level,
            norm=norm,
            transform=transform,
            batch_norm=batch_norm == "all" or paper_root,
        )

    return replaced(model, convert)


def fold(model: nn.Module) -> nn.Module:
    """A copy with every harmonic layer replaced by the nn.Conv2d it equals in eval mode.

    Batch norm of the responses goes into kernel and bias exactly, borders included: it is applied
    after zero padding, so it is the same affine map everywhere. Subclasses of HarmonicConv2d and
    layers whose weight is not a parameter (parametrized, pruned) are left alone. Linear layers that
    share a weight still share it afterwards.
    Raises TypeError if model is no module.
    """
    check_module(model)
    ties = Ties()

    def convert(module: nn.Module) -> nn.Module | None:
        return _plain(module, ties) if is_harmonic(module) else None

    return replaced(model, convert)


def check_module(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model={model!r} must be an nn.Module, not {type(model).__name__}")


def _is_ordinary(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    if type(module) is not nn.Conv2d or "weight" not in module._parameters:
        return False
    return module.weight.is_floating_point()


def is_harmonic(module: nn.Module) -> TypeGuard[HarmonicConv2d]:
    return type(module) is HarmonicConv2d and "weight" in module._parameters


def _harmonic(
    conv: nn.Conv2d, ties: Ties, *, level: int | None, batch_norm: bool, **bank: str
) -> HarmonicConv2d:
    layer = HarmonicConv2d(
        **arguments_of(conv),
        device="meta",  # draws no random numbers
        level=level,
        batch_norm=batch_norm,
        **bank,
    )
    layer.to_empty(device=conv.weight.device)
    layer.set_kernel(conv.weight)
    if batch_norm:
        layer.reset_running_stats()
    layer.weight.requires_grad_(conv.weight.requires_grad)
    layer.weight = ties.keep(conv.weight, (level, batch_norm), layer.weight)
    if conv.bias is not None:
        layer.bias = conv.bias  # type: ignore[assignment]
    return layer


def _plain(layer: HarmonicConv2d, ties: Ties) -> nn.Conv2d:
    with torch.no_grad():
        kernel, bias = layer.equivalent_kernel()
    conv = nn.Conv2d(**(arguments_of(layer) | {"bias": bias is not None}), device="meta")
    weight = nn.Parameter(kernel, requires_grad=layer.weight.requires_grad)
    if layer.batch_norm and bias is not None:  # statistics make this kernel the layer's own
        conv.weight = weight
        conv.bias = nn.Parameter(bias, requires_grad=layer.weight.requires_grad)
    else:
        bank = tuple(repr(getattr(layer, name)) for name in ("kernel_size", *OWN_ARGUMENTS))
        conv.weight = ties.keep(layer.weight, bank, weight)
        conv.bias = layer.bias
    return conv
