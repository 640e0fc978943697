"""Changing a model's convolutions: to harmonic ones, back to plain ones, to fewer frequencies."""

import copy
from collections.abc import Callable
from typing import TypeGuard

import torch
from torch import nn

from .checks import integer, one_of
from .conv import HarmonicConv2d
from .filters import NORMS

BATCH_NORM = ("none", "first", "all")


def harmonize(
    model: nn.Module,
    *,
    level: int | None = None,
    norm: str = "ortho",
    batch_norm: str = "none",
) -> nn.Module:
    """A copy of the model with every nn.Conv2d larger than 1 × 1 made harmonic.

    Kernels are projected onto the filters: with all levels and no batch norm the copy computes
    what the model computes, with fewer levels the nearest kernels the bank can express. All
    arguments of the convolutions, dtype, device, training flag, requires_grad, modules used twice
    and hooks are kept. Left alone, as they may compute something else, are subclasses of nn.Conv2d
    and convolutions whose weight is not a parameter (weight or spectral normalisation).

    level, norm: as in `filter_bank`.
    batch_norm: "none"; "first": the first convolution normalises its responses and keeps all
        frequencies, the recipe of arXiv 2001.06570; "all": every one normalises. A layer with
        batch norm starts from running mean 0 and variance 1, and fits them as it trains.

    Raises TypeError if model is no module, TypeError or ValueError for the other arguments.
    """
    _check_module(model)
    if level is not None:
        integer("level", level, least=1)
    one_of("norm", norm, NORMS)
    one_of("batch_norm", batch_norm, BATCH_NORM)
    first = True

    def convert(module: nn.Module) -> nn.Module | None:
        nonlocal first
        if not _is_ordinary(module) or module.kernel_size == (1, 1):
            return None
        is_first, first = first, False
        paper_root = batch_norm == "first" and is_first
        return _harmonic(
            module,
            level=None if paper_root else level,
            norm=norm,
            batch_norm=batch_norm == "all" or paper_root,
        )

    return _replaced(copy.deepcopy(model), convert)


def fold(model: nn.Module) -> nn.Module:
    """A copy with every harmonic layer replaced by the nn.Conv2d it equals in eval mode.

    Batch norm of the responses goes into kernel and bias exactly, borders included: it is applied
    after zero padding, so it is the same affine map everywhere.
    Raises TypeError if model is no module.
    """
    _check_module(model)

    def convert(module: nn.Module) -> nn.Module | None:
        return _plain(module) if isinstance(module, HarmonicConv2d) else None

    return _replaced(copy.deepcopy(model), convert)


def truncate(model: nn.Module, level: int) -> nn.Module:
    """A copy in which every harmonic layer keeps its filters with u + v < level only.

    Weights and running statistics of the kept filters stay as they were; a layer already at that
    level or below is unchanged. Raises TypeError if model is no module or level no integer,
    ValueError if level is below 1 or would leave a layer (one with dc=False) without a filter.
    """
    _check_module(model)
    level = integer("level", level, least=1)

    def convert(module: nn.Module) -> nn.Module | None:
        if not isinstance(module, HarmonicConv2d):
            return None
        if module.level is not None and module.level <= level:
            return None
        return _truncated(module, level)

    return _replaced(copy.deepcopy(model), convert)


def _check_module(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise TypeError(f"model={model!r} must be an nn.Module, not {type(model).__name__}")


def _replaced(model: nn.Module, convert: Callable[[nn.Module], nn.Module | None]) -> nn.Module:
    """The tree with modules exchanged; one module in two places stays one module in two places."""
    seen: dict[nn.Module, nn.Module] = {}

    def visit(module: nn.Module) -> nn.Module:
        if module in seen:
            return seen[module]
        new = convert(module)
        seen[module] = module if new is None else new
        if new is None:
            for name, child in module._modules.items():
                if child is not None:
                    module._modules[name] = visit(child)
        else:
            _keep_state(module, new)
        return seen[module]

    return visit(model)


def _keep_state(old: nn.Module, new: nn.Module) -> None:
    """Training flag and hooks of every kind, which are the attributes named …_hook…."""
    new.training = old.training
    for name, value in vars(old).items():
        if "_hook" in name:
            setattr(new, name, value)


def _is_ordinary(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    return type(module) is nn.Conv2d and "weight" in module._parameters


def _harmonic(conv: nn.Conv2d, *, level: int | None, norm: str, batch_norm: bool) -> HarmonicConv2d:
    layer = HarmonicConv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        conv.dilation,  # type: ignore[arg-type]
        conv.groups,
        conv.bias is not None,
        conv.padding_mode,
        conv.weight.device,
        conv.weight.dtype,
        level=level,
        norm=norm,
        batch_norm=batch_norm,
    )
    layer.set_kernel(conv.weight)
    layer.weight.requires_grad_(conv.weight.requires_grad)
    if conv.bias is not None:
        layer.bias = conv.bias  # type: ignore[assignment]
    return layer


def _plain(layer: HarmonicConv2d) -> nn.Conv2d:
    with torch.no_grad():
        kernel, bias = layer.equivalent_kernel()
    conv = nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
        bias is not None,
        layer.padding_mode,  # type: ignore[arg-type]
        device="meta",
    )
    conv.weight = nn.Parameter(kernel, requires_grad=layer.weight.requires_grad)
    if layer.batch_norm and bias is not None:
        conv.bias = nn.Parameter(bias, requires_grad=layer.weight.requires_grad)
    else:
        conv.bias = layer.bias
    return conv


def _truncated(layer: HarmonicConv2d, level: int) -> HarmonicConv2d:
    new = HarmonicConv2d(
        layer.in_channels,
        layer.out_channels,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
        layer.groups,
        layer.bias is not None,
        layer.padding_mode,
        layer.weight.device,
        layer.weight.dtype,
        level=level,
        dc=layer.dc,
        norm=layer.norm,
        batch_norm=layer.batch_norm,
        basis_size=layer.basis_size,
        transform=layer.transform,
    )
    kept = [index for index, one in enumerate(layer.frequency_sums()) if one < level]
    with torch.no_grad():
        new.weight = nn.Parameter(layer.weight[:, :, kept], layer.weight.requires_grad)
        new.bias = layer.bias
        if layer.batch_norm:
            new.eps, new.momentum, new.statistics = layer.eps, layer.momentum, layer.statistics
            for name in ("running_mean", "running_var"):
                statistics = getattr(layer, name).view(layer.in_channels, -1)[:, kept]
                setattr(new, name, statistics.flatten())
            new.num_batches_tracked = layer.num_batches_tracked
    return new
