"""The harmonic layer: a convolution whose kernels are learned sums of fixed filters."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .checks import boolean, integer, one_of, pair
from .coefficients import nearest_coefficients, random_coefficients
from .filters import filter_bank, frequencies
from .normalised import normalised_training
from .patches import padding_along
from .precision import without_autocast

CombineStatistics = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor, int]]
"""Mean and biased variance (C · F) of some values, and their count, to those of more values."""

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class HarmonicConv2d(nn.Module):
    """A drop-in for nn.Conv2d with kernels Σ_f weight[o, i, f] · filter_bank[f].

    Two forms are equal, as convolution is linear (ψ_f are the filters, w the weights, b the bias):

        y_o = b_o + Σ_i Σ_f w[o, i, f] (ψ_f * x_i)     responses of every filter, then combined
        y_o = b_o + Σ_i (Σ_f w[o, i, f] ψ_f) * x_i     filters combined, then one convolution

    The second is computed: it makes no map for each filter and costs what nn.Conv2d costs. Batch
    norm stands between response and combination, so training needs the responses' mean and
    variance; they follow from moments of the input's patches (`harmonic.nn.normalised`).

    The positional arguments, shapes and dtypes are nn.Conv2d's: (N, C, H, W) or (C, H, W) in,
    (N, out_channels, H', W') or (out_channels, H', W') out. What follows them is
    `filter_bank`'s, and:

    batch_norm: normalise each filter's response before the combination, as nn.BatchNorm2d without
        affine parameters would (algorithm 1 of arXiv 2001.06570; False is its algorithm 2, the
        linear form). Change `eps` and `momentum` as attributes.

    Parameters are `weight` (out_channels, in_channels / groups, F) and `bias` (out_channels). The
    bank is a non-persistent buffer, recomputed in float64 at every change of dtype or device. With
    batch norm, `running_mean` and `running_var` hold F values for each input channel in turn.

    In the linear form, and in eval mode in both, the layer is computed as one convolution. Training
    with batch norm takes the batch's statistics from moments of the images or from maps of all
    responses, whichever is faster, unless `statistics` is set to "moments" or "maps". By both there
    are second derivatives; forward mode and torch.func know maps only. Where a batch is spread over
    processes, `combine_statistics` makes statistics by moments those of the whole batch.

    A fresh layer's kernels have the energy of nn.Conv2d's, whatever norm and level; with an
    orthogonal bank and all levels the same seed gives the very kernels nn.Conv2d would draw.

    Raises TypeError or ValueError for a wrong argument, and what F.conv2d raises for a wrong input.
    """

    filter_bank: Tensor
    bias: nn.Parameter | None
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: torch.device | str | int | None = None,
        dtype: torch.dtype | None = None,
        *,
        level: int | None = None,
        dc: bool = True,
        norm: str = "ortho",
        batch_norm: bool = False,
        basis_size: int | tuple[int, int] | None = None,
        transform: str = "dct2",
    ) -> None:
        super().__init__()
        self.in_channels = integer("in_channels", in_channels, least=1)
        self.out_channels = integer("out_channels", out_channels, least=1)
        self.groups = integer("groups", groups, least=1)
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % self.groups:
                raise ValueError(f"{name}={getattr(self, name)} must be a multiple of {groups=}")
        self.kernel_size = pair("kernel_size", kernel_size, least=1)
        self.stride = pair("stride", stride, least=1)
        self.dilation = pair("dilation", dilation, least=1)
        self.padding_mode = one_of("padding_mode", padding_mode, PADDING_MODES)
        self.padding: tuple[int, int] | str
        if isinstance(padding, str):
            self.padding = one_of("padding", padding, ("valid", "same"))
            if padding == "same" and self.stride != (1, 1):
                raise ValueError(f"padding='same' needs stride 1, not stride={stride!r}")
        else:
            self.padding = pair("padding", padding, least=0)
        self.level = level
        self.dc = dc
        self.norm = norm
        self.batch_norm = boolean("batch_norm", batch_norm)
        self.basis_size = basis_size
        self.transform = transform
        self.eps = 1e-5
        self.momentum: float | None = 0.1
        self.statistics = "auto"
        self.combine_statistics: CombineStatistics | None = None

        placed: dict[str, Any] = {"device": device, "dtype": dtype}
        bank = self._exact_bank()
        filters = len(bank)
        self.register_buffer("filter_bank", torch.empty(bank.shape, **placed), persistent=False)
        self.weight = nn.Parameter(
            torch.empty(self.out_channels, self.in_channels // self.groups, filters, **placed)
        )
        if not self.weight.is_floating_point():
            raise TypeError(f"dtype={self.weight.dtype} must be a real floating-point type")
        if bias:
            self.bias = nn.Parameter(torch.empty(self.out_channels, **placed))
        else:
            self.register_parameter("bias", None)
        if batch_norm:
            responses = self.in_channels * filters
            self.register_buffer("running_mean", torch.zeros(responses, **placed))
            self.register_buffer("running_var", torch.ones(responses, **placed))
            self.register_buffer(
                "num_batches_tracked", torch.zeros((), dtype=torch.long, device=device)
            )
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew as nn.Conv2d does; refills bank and statistics."""
        self._refresh_bank()
        kernel = self.weight.new_empty(self.kernel_shape)
        nn.init.kaiming_uniform_(kernel, a=math.sqrt(5))
        self.set_random_kernel(kernel)
        if self.bias is not None:
            bound = 1 / math.sqrt(kernel[0].numel())
            nn.init.uniform_(self.bias, -bound, bound)
        if self.batch_norm:
            self.reset_running_stats()

    def reset_running_stats(self) -> None:
        """Running mean 0 and, as for white noise, each filter's squared length as variance."""
        self.running_mean.zero_()
        self.running_var.view(self.in_channels, -1).copy_(self._lengths().square())
        self.num_batches_tracked.zero_()

    @property
    def kernel_shape(self) -> tuple[int, int, int, int]:
        """Shape of the ordinary kernel: (out_channels, in_channels / groups, kh, kw)."""
        return (self.out_channels, self.in_channels // self.groups, *self.kernel_size)

    @torch.no_grad()
    def set_random_kernel(self, kernel: Tensor) -> None:
        """Takes over a freshly drawn kernel (white noise), keeping its energy in expectation.

        See `random_coefficients`; with batch norm the filters' lengths cancel and are left out.
        """
        if not self.weight.is_meta:
            bank = self._exact_bank()
            self.weight.copy_(random_coefficients(kernel, bank, normalised=self.batch_norm))

    @torch.no_grad()
    def set_kernel(self, kernel: Tensor) -> None:
        """Sets the weights whose filters come closest to a trained kernel (least squares).

        With batch norm these belong to filters of unit length, as normalised responses do.
        """
        if not self.weight.is_meta:
            weight = nearest_coefficients(kernel, self._exact_bank())
            self.weight.copy_(
                weight * self._lengths().to(weight.device) if self.batch_norm else weight
            )

    def frequency_sums(self) -> list[int]:
        """u + v of each filter in the bank, which is what `level` counts."""
        pairs = frequencies(
            self.kernel_size, level=self.level, dc=self.dc, basis_size=self.basis_size
        )
        return [u + v for u, v in pairs]

    def equivalent_kernel(self) -> tuple[Tensor, Tensor | None]:
        """Kernel and bias of the nn.Conv2d that this layer equals in eval mode."""
        if self.batch_norm:
            return self.normalised_kernel(self.running_mean, self.running_var)
        return self._kernel(self.weight), self.bias

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) to nn.Conv2d's output shape."""
        if self.batch_norm and self.training:
            return normalised_training(self, input)
        return self.convolve(input, *self.equivalent_kernel())

    def extra_repr(self) -> str:
        shown = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        defaults = {
            "stride": (1, 1),
            "padding": (0, 0),
            "dilation": (1, 1),
            "groups": 1,
            "padding_mode": "zeros",
            "level": None,
            "dc": True,
            "norm": "ortho",
            "batch_norm": False,
            "basis_size": None,
            "transform": "dct2",
        }
        shown += [f"{k}={getattr(self, k)!r}" for k, v in defaults.items() if getattr(self, k) != v]
        if self.bias is None:
            shown.append("bias=False")
        return ", ".join(shown)

    def _exact_bank(self) -> Tensor:
        return filter_bank(
            self.kernel_size,
            level=self.level,
            dc=self.dc,
            norm=self.norm,
            basis_size=self.basis_size,
            transform=self.transform,
        )

    def _lengths(self) -> Tensor:
        """Length of each filter, (F), float64."""
        bank = self._exact_bank().flatten(1)
        return torch.ones_like(bank[:, 0]) if self.norm == "ortho" else bank.norm(dim=1)

    def _refresh_bank(self) -> None:
        if not self.filter_bank.is_meta:
            with torch.no_grad():
                self.filter_bank.copy_(self._exact_bank())

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "HarmonicConv2d":
        super()._apply(fn, recurse)
        self._refresh_bank()  # a cast bank would keep the rounding of the old dtype
        return self

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        weight, bank = self.weight, self.filter_bank
        if (bank.device, bank.dtype) != (weight.device, weight.dtype):  # loaded with assign=True
            self.filter_bank = self._exact_bank().to(weight.device, weight.dtype)

    def _kernel(self, weight: Tensor) -> Tensor:
        with without_autocast(weight.device):  # a kernel rounded twice is less exact
            return (weight @ self.filter_bank.flatten(1)).view(self.kernel_shape)

    def normalised_kernel(self, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
        """Kernel and bias equal to: responses minus mean, over √(var + eps), combined."""
        grouped = (self.groups, 1, self.in_channels // self.groups, -1)
        wide = torch.promote_types(var.dtype, torch.float32)  # eps is next to nothing in float16
        scale = torch.rsqrt(var.to(wide) + self.eps).to(self.weight.dtype).view(grouped)
        by_group = self.weight.unflatten(0, (self.groups, -1)) * scale
        shift = (by_group * mean.to(self.weight.dtype).view(grouped)).sum(dim=(2, 3)).flatten()
        bias = -shift if self.bias is None else self.bias - shift
        return self._kernel(by_group.flatten(0, 1)), bias

    def convolve(self, input: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
        """nn.Conv2d's forward with this layer's geometry."""
        if self.padding_mode == "zeros":
            return F.conv2d(
                input, kernel, bias, self.stride, self.padding, self.dilation, self.groups
            )
        input = F.pad(input, self.pads, mode=self.padding_mode)
        return F.conv2d(input, kernel, bias, self.stride, 0, self.dilation, self.groups)

    @property
    def pads(self) -> tuple[int, int, int, int]:
        """Padding at (left, right, top, bottom), as F.pad orders it."""
        padding = self.padding if isinstance(self.padding, tuple) else (self.padding,) * 2
        (top, bottom), (left, right) = (
            padding_along(padding[axis], self.kernel_size[axis], self.dilation[axis])
            for axis in (0, 1)
        )
        return left, right, top, bottom
