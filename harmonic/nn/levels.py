"""A trained network with fewer frequencies: layer by layer what its description says."""

import torch
from torch import nn

from .conv import HarmonicConv2d
from .filters import frequencies

Pair = tuple[int, int]


@torch.no_grad()
def take_over(target: nn.Module, source: nn.Module) -> None:
    """Give `target` the weights of `source`, a network of the same shape with other levels.

    Unlike `truncate`, every layer may have a level of its own (in the networks of this package the
    first one keeps all frequencies). Of harmonic layers the coefficients of the filters that both
    have are taken, and new ones are 0; a plain convolution gives the coefficients nearest to its
    kernel. Norm and batch norm of the layers must be the same in both.
    Raises KeyError or RuntimeError where the networks are not of one shape.
    """
    different = {}
    for name, module in target.named_modules():
        if isinstance(module, HarmonicConv2d):
            from_module = source.get_submodule(name)
            if not isinstance(from_module, HarmonicConv2d):
                different[f"{name}.weight"] = (module, from_module)
            elif pairs_of(module) != pairs_of(from_module):
                different[f"{name}.weight"] = (module, from_module)
                for statistic in ("running_mean", "running_var") if module.batch_norm else ():
                    different[f"{name}.{statistic}"] = (module, from_module)
    state = source.state_dict()
    for name, value in target.state_dict().items():
        if name not in different:
            value.copy_(state[name])
            continue
        module, from_module = different[name]
        if isinstance(from_module, HarmonicConv2d):
            by_filter = state[name].view(*value.shape[:-1], -1) if value.dim() > 1 else state[name]
            value.copy_(kept(by_filter, module, from_module).view(value.shape))
        else:
            module.set_kernel(state[name])


def kept(values: torch.Tensor, module: HarmonicConv2d, source: HarmonicConv2d) -> torch.Tensor:
    """Values (…, F) or (channels · F) of the source's filters, as (…, F') of the module's."""
    there = pairs_of(source)
    rows = values.reshape(-1, len(there))
    wanted = pairs_of(module)
    taken = rows.new_zeros(len(rows), len(wanted))
    for place, pair in enumerate(wanted):
        if pair in there:
            taken[:, place] = rows[:, there.index(pair)]
    return taken


def pairs_of(layer: HarmonicConv2d) -> list[Pair]:
    """(u, v) of each filter in the layer's bank."""
    return list(
        frequencies(layer.kernel_size, level=layer.level, dc=layer.dc, basis_size=layer.basis_size)
    )
