"""A layer's filters: the arguments they are made from, their exact values, coefficients on them."""

import math
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import Tensor, nn

from .filters import filter_bank, frequencies


class BankedModule(nn.Module):
    """Holds `filter_bank` (F, kh, kw), recomputed in float64 at every change of dtype or device.

    The buffer is not persistent, as the arguments, `filter_bank`'s, say all of it. Its dtype and
    device are those of `weight`, which the layer brings.
    """

    filter_bank: Tensor
    weight: Tensor
    kernel_size: tuple[int, int]
    level: int | None
    dc: bool
    norm: str
    basis_size: int | tuple[int, int] | None
    transform: str

    def __init__(
        self, kernel_size: tuple[int, int], arguments: dict[str, Any], placed: dict[str, Any]
    ) -> None:
        super().__init__()
        vars(self).update(arguments, kernel_size=kernel_size)
        empty = torch.empty(self.exact_bank().shape, **placed)
        self.register_buffer("filter_bank", empty, persistent=False)

    def exact_bank(self) -> Tensor:
        """(F, kh, kw), float64, on the CPU."""
        return filter_bank(
            self.kernel_size,
            level=self.level,
            dc=self.dc,
            norm=self.norm,
            basis_size=self.basis_size,
            transform=self.transform,
        )

    def filter_lengths(self) -> Tensor:
        """(F), float64, on the CPU."""
        bank = self.exact_bank().flatten(1)
        return torch.ones_like(bank[:, 0]) if self.norm == "ortho" else bank.norm(dim=1)

    def frequencies(self) -> list[tuple[int, int]]:
        """(u, v) of each filter."""
        return frequencies(
            self.kernel_size, level=self.level, dc=self.dc, basis_size=self.basis_size
        )

    @torch.no_grad()
    def refresh_bank(self) -> None:
        """Fills the buffer anew; nothing to do on the meta device."""
        if not self.filter_bank.is_meta:
            self.filter_bank.copy_(self.exact_bank())

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        self.refresh_bank()  # a cast bank would keep the rounding of the old dtype
        return self

    def _filters(self) -> dict[str, Any]:
        """What the weights are coefficients of; travels beside them in a state's metadata."""
        named = ("kernel_size", "level", "dc", "norm", "basis_size", "transform")
        return {name: getattr(self, name) for name in named}

    def _has_filters(self, **arguments: Any) -> bool:
        return torch.equal(filter_bank(**arguments), self.exact_bank())  # level 5 is all of 3 × 3

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        metadata = getattr(destination, "_metadata", {})
        metadata.get(prefix[:-1], {})["filters"] = self._filters()

    def _load_from_state_dict(
        self, state: Any, prefix: str, metadata: Any, strict: bool, *found: list[str]
    ) -> None:
        """Leaves the layer as it is, with an error, where the weights belong to other filters."""
        name, weight = prefix[:-1] or "layer", state.get(f"{prefix}weight")
        theirs = metadata.get("filters", self._filters())
        if weight is not None and weight.dim() == 4:
            found[-1].append(
                f"{name}: the state holds an ordinary kernel; load it into the plain network, "
                "then harmonize that (and to go back, fold this one and take its state)"
            )
            return
        if theirs != self._filters() and not self._has_filters(**theirs):
            differing = ", ".join(
                f"{key}={value!r} and not {getattr(self, key)!r}"
                for key, value in theirs.items()
                if value != getattr(self, key, None)
            )
            found[-1].append(
                f"{name}: the state was saved with {differing}; build the network with the same "
                "filters (fewer levels: truncate it after loading)"
            )
            return
        super()._load_from_state_dict(state, prefix, metadata, strict, *found)
        weight, bank = self.weight, self.filter_bank
        if (bank.device, bank.dtype) != (weight.device, weight.dtype):  # loaded with assign=True
            self.filter_bank = self.exact_bank().to(weight.device, weight.dtype)


def nearest_coefficients(kernel: Tensor, bank: Tensor) -> Tensor:
    """Those whose sum of filters comes closest to a trained kernel (least squares).

    kernel: (O, I, kh, kw); bank: (F, kh, kw), float64. Returns (O, I, F), float64.
    """
    inverse = torch.linalg.pinv(bank.flatten(1)).to(kernel.device)
    return kernel.double().flatten(2) @ inverse


def random_coefficients(kernel: Tensor, bank: Tensor, *, normalised: bool) -> Tensor:
    """Those of a freshly drawn kernel (white noise), keeping its energy in expectation.

    The kernel is measured with filters of unit length and rescaled for what the bank cannot
    represent: by √(kh·kw / ‖G‖²), G the filters' Gram matrix, which is √(kh·kw / F) for
    orthogonal banks. Shapes as in `nearest_coefficients`.
    normalised: responses will be normalised to variance 1, so that filters' lengths cancel.
    """
    filters = bank.flatten(1).to(kernel.device)
    length = filters.norm(dim=1, keepdim=True)
    unit = filters / length
    gain = math.sqrt(unit.shape[1]) / (unit @ unit.T).norm()
    coefficients = kernel.double().flatten(2) @ (unit * gain).T
    return coefficients if normalised else coefficients / length.flatten()
