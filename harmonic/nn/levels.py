"""A trained network with fewer frequencies: all layers to one level, or each to its own."""

import torch
from torch import Tensor, nn

from .checks import integer
from .conv import HarmonicConv2d
from .surgery import check_module, is_harmonic
from .trees import Ties, replaced


def truncate(model: nn.Module, level: int) -> nn.Module:
    """A copy in which every harmonic layer keeps its filters with u + v < level only.

    Weights and running statistics of the kept filters stay as they were, and so does what shares a
    weight; a layer already at that level or below is unchanged, and what `fold` leaves alone is
    left alone here. Raises TypeError if model is no module or level no integer,
    ValueError if level is below 1 or would leave a layer (one with dc=False) without a filter.
    """
    check_module(model)
    level = integer("level", level, least=1)
    ties = Ties()

    def convert(module: nn.Module) -> nn.Module | None:
        if not is_harmonic(module):
            return None
        if module.level is not None and module.level <= level:
            return None
        return _truncated(module, ties, level)

    return replaced(model, convert)


@torch.no_grad()
def take_over(target: nn.Module, source: nn.Module) -> None:
    """Give `target` the weights of `source`, a network of the same shape with other levels.

    Unlike `truncate`, every layer may have a level of its own (in the networks of this package the
    first one keeps all frequencies). Of harmonic layers the coefficients of the filters that both
    have are taken, and new ones are 0; a plain convolution gives the coefficients nearest to its
    kernel. Norm and batch norm of the layers must be the same in both.
    Raises AttributeError or RuntimeError where the networks are not of one shape.
    """
    state = source.state_dict()
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


def _truncated(layer: HarmonicConv2d, ties: Ties, level: int) -> HarmonicConv2d:
    new = layer.like(level=level)
    with torch.no_grad():
        taken = _on_filters_of(new, layer)
    weight = nn.Parameter(taken.pop("weight"), layer.weight.requires_grad)
    new.weight = ties.keep(layer.weight, tuple(new.frequencies()), weight)
    new.bias = layer.bias
    for name, statistics in taken.items():
        setattr(new, name, statistics)
        new.num_batches_tracked = layer.num_batches_tracked
    return new


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
