"""Changing a model's convolutions: to harmonic ones, to fewer frequencies, back to plain ones."""

import copy
import warnings
from collections.abc import Callable, Hashable
from typing import TypeGuard

import torch
from torch import Tensor, nn

from .checks import integer, module, one_of
from .conv import OWN_ARGUMENTS, HarmonicConv2d
from .filters import NORMS, RANDOM
from .geometry import arguments_of
from .transforms import TRANSFORMS

BATCH_NORM = ("none", "first", "all")
Ties = dict[tuple[Tensor, Hashable], nn.Parameter]
"""New parameters by the old one and the way they come from it: what was shared stays shared."""


def harmonize(
    model: nn.Module,
    *,
    level: int | None = None,
    norm: str = "ortho",
    transform: str = "dct2",
    batch_norm: str = "none",
    only: Callable[[str, nn.Conv2d], bool] = lambda name, conv: True,
) -> nn.Module:
    """A copy of the model with every nn.Conv2d larger than 1 × 1 made harmonic.

    Kernels are projected onto the filters: with all levels and no batch norm the copy computes
    what the model computes, with fewer levels the nearest kernels the bank can express. All
    arguments of the convolutions, dtype, device, training flag, requires_grad, modules used
    twice and hooks are kept; a weight that two convolutions share stays shared if both become
    layers of one kind. What `left_alone` tells stays as it is, with a warning. Not kept are buffers
    and attributes that a convolution was given besides its own; convolutions outside the module
    tree, as in a plain list, are not seen.

    level, norm, transform: as in `filter_bank`.
    batch_norm: "none"; "first": the first convolution normalises its responses and keeps all
        frequencies, the recipe of arXiv 2001.06570; "all": every one normalises. A layer with
        batch norm starts from running mean 0 and each filter's squared length as variance, with
        which it computes in eval mode what the convolution did; it fits them as it trains.
    only: whether a convolution, by its name, is to be made harmonic; the others stay.

    Raises TypeError if model is no module, TypeError or ValueError for the other arguments, also
    where "first" is asked for and the first convolution has to stay.
    """
    if level is not None:
        integer("level", level, least=1)
    one_of("norm", norm, NORMS)
    one_of("transform", transform, (*TRANSFORMS, RANDOM))
    one_of("batch_norm", batch_norm, BATCH_NORM)
    staying = left_alone(model)
    if staying:
        told = "; ".join(f"{name}: {reason}" for name, reason in staying.items())
        warnings.warn(f"harmonize leaves as they are {told}", stacklevel=2)
    root = next((name for name, one in model.named_modules() if _is_spatial(one)), None)
    if batch_norm == "first" and root in staying:
        raise ValueError(f"batch_norm='first' needs the first convolution; {root} has to stay")

    def convert(name: str, conv: nn.Module, ties: Ties) -> nn.Module | None:
        if not _is_spatial(conv) or _reason_to_stay(conv) or not only(name, conv):
            return None
        paper_root = name == root and batch_norm == "first"
        normalises = paper_root or batch_norm == "all"
        layer = HarmonicConv2d(
            **arguments_of(conv),
            device="meta",  # draws no random numbers
            level=None if paper_root else level,
            norm=norm,
            transform=transform,
            batch_norm=normalises,
        )
        layer.to_empty(device=conv.weight.device)
        layer.set_kernel(conv.weight)
        if normalises:
            layer.reset_running_stats()
        layer.weight.requires_grad_(conv.weight.requires_grad)
        layer.weight = ties.setdefault((conv.weight, (layer.level, normalises)), layer.weight)
        if conv.bias is not None:
            layer.bias = conv.bias  # type: ignore[assignment]
        return layer

    return _replaced(model, convert)


def left_alone(model: nn.Module) -> dict[str, str]:
    """Which convolutions larger than 1 × 1 `harmonize` cannot convert, by name, and why.

    Raises TypeError if model is no module.
    """
    found = {}
    for name, conv in module("model", model).named_modules():
        if _is_spatial(conv) and (reason := _reason_to_stay(conv)):
            found[name] = reason
    return found


def fold(model: nn.Module) -> nn.Module:
    """A copy with every harmonic layer replaced by the nn.Conv2d it equals in eval mode.

    Batch norm of the responses goes into kernel and bias exactly, borders included: it is applied
    after zero padding, so it is the same affine map everywhere. Subclasses of HarmonicConv2d and
    layers whose weight is not a parameter (parametrized, pruned) are left alone. Linear layers that
    share a weight still share it afterwards.
    Raises TypeError if model is no module.
    """

    def convert(name: str, layer: nn.Module, ties: Ties) -> nn.Module | None:
        if not _is_harmonic(layer):
            return None
        with torch.no_grad():
            kernel, bias = layer.equivalent_kernel()
        conv = nn.Conv2d(**(arguments_of(layer) | {"bias": bias is not None}), device="meta")
        trained = layer.weight.requires_grad
        weight = nn.Parameter(kernel, trained)
        if layer.batch_norm and bias is not None:  # statistics make this kernel the layer's own
            conv.weight, conv.bias = weight, nn.Parameter(bias, trained)
        else:
            bank = tuple(repr(getattr(layer, name)) for name in ("kernel_size", *OWN_ARGUMENTS))
            conv.weight, conv.bias = ties.setdefault((layer.weight, bank), weight), layer.bias
        return conv

    return _replaced(model, convert)


def truncate(model: nn.Module, level: int) -> nn.Module:
    """A copy in which every harmonic layer keeps its filters with u + v < level only.

    Weights and running statistics of the kept filters stay as they were, and so does what shares a
    weight; a layer already at that level or below is unchanged, and what `fold` leaves alone is
    left alone here. Raises TypeError if model is no module or level no integer,
    ValueError if level is below 1 or would leave a layer (one with dc=False) without a filter.
    """
    level = integer("level", level, least=1)

    def convert(name: str, layer: nn.Module, ties: Ties) -> nn.Module | None:
        if not _is_harmonic(layer) or (layer.level is not None and layer.level <= level):
            return None
        new = layer.like(level=level)
        taken = _on_filters_of(new, layer)
        weight = nn.Parameter(taken.pop("weight"), layer.weight.requires_grad)
        new.weight = ties.setdefault((layer.weight, tuple(new.frequencies())), weight)
        new.bias = layer.bias
        for name, statistics in taken.items():
            setattr(new, name, statistics)
            new.num_batches_tracked = layer.num_batches_tracked
        return new

    return _replaced(model, convert)


@torch.no_grad()
def take_over(target: nn.Module, source: nn.Module) -> None:
    """Give `target` the weights of `source`, a network of the same shape with other levels.

    Unlike `truncate`, every layer may have a level of its own (in the networks of this package the
    first one keeps all frequencies). Of harmonic layers the coefficients of the filters that both
    have are taken, and new ones are 0; a plain convolution gives the coefficients nearest to its
    kernel. Norm and batch norm of the layers must be the same in both.
    Raises AttributeError or RuntimeError where the networks are not of one shape.
    """
    state = dict(source.state_dict())  # without the metadata that say whose filters they are for
    for name, layer in target.named_modules():
        if isinstance(layer, HarmonicConv2d):
            given = source.get_submodule(name)
            if isinstance(given, HarmonicConv2d):
                taken = _on_filters_of(layer, given)
            else:
                layer.set_kernel(state[f"{name}.weight"])
                taken = {"weight": layer.weight}
            state.update({f"{name}.{key}": value for key, value in taken.items()})
    target.load_state_dict(state)


@torch.no_grad()
def _on_filters_of(wanted: HarmonicConv2d, layer: HarmonicConv2d) -> dict[str, Tensor]:
    """A layer's weight and running statistics for the filters of another; 0 for new filters."""
    there = layer.frequencies()
    found = {}
    for name in ("weight", "running_mean", "running_var")[: 3 if layer.batch_norm else 1]:
        values = getattr(layer, name)
        rows = values.reshape(-1, len(there))
        taken = rows.new_zeros(len(rows), len(wanted.frequencies()))
        for place, pair in enumerate(wanted.frequencies()):
            if pair in there:
                taken[:, place] = rows[:, there.index(pair)]
        found[name] = taken.view(*values.shape[:-1], -1)
    return found


def _is_spatial(module: nn.Module) -> TypeGuard[nn.Conv2d]:
    return isinstance(module, nn.Conv2d) and tuple(module.kernel_size) != (1, 1)


def _reason_to_stay(conv: nn.Conv2d) -> str | None:
    if "weight" not in conv._parameters:
        return "its weight is computed anew each time (normalised, pruned, parametrised)"
    if type(conv) is not nn.Conv2d:
        return f"{type(conv).__name__} may compute something else than nn.Conv2d"
    return None if conv.weight.is_floating_point() else f"its weight is {conv.weight.dtype}"


def _is_harmonic(module: nn.Module) -> TypeGuard[HarmonicConv2d]:
    return type(module) is HarmonicConv2d and "weight" in module._parameters


def _replaced(
    model: nn.Module, convert: Callable[[str, nn.Module, Ties], nn.Module | None]
) -> nn.Module:
    """A copy with modules exchanged; one module in two places stays one module in two places.

    convert: gets name and module, parents first, and what was tied before; returns the module's
    successor or None.
    """
    seen: dict[nn.Module, nn.Module] = {}
    ties: Ties = {}

    def visit(path: str, old: nn.Module) -> nn.Module:
        if old in seen:
            return seen[old]
        new = convert(path, old, ties)
        seen[old] = old if new is None else new
        if new is None:
            for name, child in old._modules.items():
                if child is not None:
                    old._modules[name] = visit(f"{path}.{name}".lstrip("."), child)
        else:  # training flag, and hooks of every kind, which are the attributes named …_hook…
            new.training = old.training
            vars(new).update({name: one for name, one in vars(old).items() if "_hook" in name})
        return seen[old]

    return visit("", _copied(module("model", model)))


def _copied(model: nn.Module) -> nn.Module:
    """A deep copy, also where a module holds a computed tensor, which deepcopy refuses.

    The older weight normalisation and pruning leave such a weight behind and compute it anew
    before each forward pass.
    """
    known: dict[int, object] = {}
    for one in model.modules():
        for value in vars(one).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                known[id(value)] = value.detach().clone()
    return copy.deepcopy(model, known)
