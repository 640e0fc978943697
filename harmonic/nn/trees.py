"""Copying a tree of modules and exchanging some of its modules."""

import copy
from collections.abc import Callable, Hashable

from torch import Tensor, nn


class Ties:
    """New parameters by the old one they come from: what was shared stays shared."""

    def __init__(self) -> None:
        self._known: dict[Tensor, dict[Hashable, nn.Parameter]] = {}

    def keep(self, old: Tensor, made_with: Hashable, new: nn.Parameter) -> nn.Parameter:
        """`new`, or what was made of `old` in the same way before."""
        return self._known.setdefault(old, {}).setdefault(made_with, new)


def replaced(model: nn.Module, convert: Callable[[nn.Module], nn.Module | None]) -> nn.Module:
    """A copy with modules exchanged; one module in two places stays one module in two places.

    convert: gets each module of the copy, parents first, and returns its successor or None.
    """
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

    return visit(_copied(model))


def _copied(model: nn.Module) -> nn.Module:
    """A deep copy, also where a module holds a computed tensor, which deepcopy refuses.

    The older weight normalisation and pruning leave such a weight behind and compute it anew
    before each forward pass.
    """
    known: dict[int, object] = {}
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                known[id(value)] = value.detach().clone()
    return copy.deepcopy(model, known)


def _keep_state(old: nn.Module, new: nn.Module) -> None:
    """Training flag and hooks of every kind, which are the attributes named …_hook…."""
    new.training = old.training
    for name, value in vars(old).items():
        if "_hook" in name:
            setattr(new, name, value)
