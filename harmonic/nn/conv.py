"""The harmonic layer: a convolution whose kernels are learned sums of fixed filters."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from .bank import BankedModule, nearest_coefficients, random_coefficients
from .checks import boolean, integer
from .geometry import Geometry, Pair, arguments_of
from .moments import CombineStatistics, convolve_normalised, response_maps, use_moments
from .precision import computing_dtype, without_autocast

Size = int | Pair


class HarmonicConv2d(BankedModule):
    """A drop-in for nn.Conv2d with kernels Σ_f weight[o, i, f] · filter_bank[f].

    Two forms are equal, as convolution is linear (ψ_f are the filters, w the weights, b the bias):

        y_o = b_o + Σ_i Σ_f w[o, i, f] (ψ_f * x_i)     responses of every filter, then combined
        y_o = b_o + Σ_i (Σ_f w[o, i, f] ψ_f) * x_i     filters combined, then one convolution

    The second is computed: it makes no map for each filter and costs what nn.Conv2d costs. With
    batch norm a response r becomes (r − μ) / √(σ² + eps), an affine map that goes into w and b.

    The positional arguments, shapes and dtypes are nn.Conv2d's: (N, C, H, W) or (C, H, W) in,
    (N, out_channels, H', W') or (out_channels, H', W') out. What follows them is
    `filter_bank`'s, and:

    batch_norm: normalise each filter's response before the combination, as nn.BatchNorm2d without
        affine parameters would (algorithm 1 of arXiv 2001.06570; False is its algorithm 2, the
        linear form). Change `eps` and `momentum` as attributes.

    Parameters are `weight` (out_channels, in_channels / groups, F) and `bias` (out_channels). The
    bank is a non-persistent buffer, recomputed in float64 at every change of dtype or device; whose
    filters a state is for stands in its metadata, and loading others' is an error. With
    batch norm, `running_mean` and `running_var` hold F values for each input channel in turn.

    Training with batch norm takes the batch's statistics from moments of the images' patches or
    from maps of all responses, whichever is faster, unless `statistics` is set to "moments" or
    "maps". By both there are second derivatives; forward mode and torch.func know maps only. Where
    a batch is spread over processes, `combine_statistics` makes statistics by moments those of the
    whole batch.

    A fresh layer's kernels have the energy of nn.Conv2d's, whatever norm and level; with an
    orthogonal bank and all levels the same seed gives the very kernels nn.Conv2d would draw.

    Raises TypeError or ValueError for a wrong argument, and what F.conv2d raises for a wrong input.
    """

    stride: Pair
    padding: Pair | str
    dilation: Pair
    groups: int
    padding_mode: str
    weight: nn.Parameter
    bias: nn.Parameter | None
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Size,
        stride: Size = 1,
        padding: Size | str = 0,
        dilation: Size = 1,
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
        basis_size: Size | None = None,
        transform: str = "dct2",
    ) -> None:
        geometry = Geometry.checked(kernel_size, stride, padding, dilation, groups, padding_mode)
        placed: dict[str, Any] = {"device": device, "dtype": dtype}
        bank = {"level": level, "dc": dc, "norm": norm, "basis_size": basis_size}
        super().__init__(geometry.kernel_size, bank | {"transform": transform}, placed)
        vars(self).update(vars(geometry))
        self.in_channels = integer("in_channels", in_channels, least=1)
        self.out_channels = integer("out_channels", out_channels, least=1)
        for name in ("in_channels", "out_channels"):
            if getattr(self, name) % groups:
                raise ValueError(f"{name}={getattr(self, name)} must be a multiple of {groups=}")
        self.batch_norm = boolean("batch_norm", batch_norm)
        self.eps = 1e-5
        self.momentum: float | None = 0.1
        self.statistics = "auto"
        self.combine_statistics: CombineStatistics | None = None

        filters = len(self.filter_bank)
        shape = (self.out_channels, self.in_channels // groups, filters)
        self.weight = nn.Parameter(torch.empty(shape, **placed))
        if not self.weight.is_floating_point():
            raise TypeError(f"dtype={self.weight.dtype} must be a real floating-point type")
        offsets = nn.Parameter(torch.empty(self.out_channels, **placed)) if bias else None
        self.register_parameter("bias", offsets)
        if batch_norm:
            responses = self.in_channels * filters
            counter = torch.zeros((), dtype=torch.long, device=device)
            self.register_buffer("running_mean", torch.zeros(responses, **placed))
            self.register_buffer("running_var", torch.ones(responses, **placed))
            self.register_buffer("num_batches_tracked", counter)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draws weight and bias anew as nn.Conv2d does; refills bank and statistics."""
        self.refresh_bank()
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
        self.running_var.view(self.in_channels, -1).copy_(self.filter_lengths().square())
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
            bank = self.exact_bank()
            self.weight.copy_(random_coefficients(kernel, bank, normalised=self.batch_norm))

    @torch.no_grad()
    def set_kernel(self, kernel: Tensor) -> None:
        """Sets the weights whose filters come closest to a trained kernel (least squares).

        With batch norm these are for responses normalised by `reset_running_stats`' variance.
        """
        if not self.weight.is_meta:
            weight = nearest_coefficients(kernel, self.exact_bank())
            deviations = (self.filter_lengths().square() + self.eps).sqrt().to(weight.device)
            self.weight.copy_(weight * deviations if self.batch_norm else weight)

    def like(self, **changes: Any) -> "HarmonicConv2d":
        """A layer with this one's arguments and settings but for `changes`, its weights unset."""
        own = {name: getattr(self, name) for name in OWN_ARGUMENTS}
        new = HarmonicConv2d(**(arguments_of(self) | own | changes), device="meta")
        new.to_empty(device=self.weight.device)  # by way of "meta" no random numbers are drawn
        for name in ("eps", "momentum", "statistics", "combine_statistics"):
            setattr(new, name, getattr(self, name))
        return new

    def equivalent_kernel(self) -> tuple[Tensor, Tensor | None]:
        """Kernel and bias of the nn.Conv2d that this layer equals in eval mode."""
        if self.batch_norm:
            return self.normalised_kernel(self.running_mean, self.running_var)
        return self._kernel(self.weight), self.bias

    def normalised_kernel(self, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
        """Kernel and bias equal to: responses minus mean, over √(var + eps), combined."""
        grouped = (self.groups, 1, self.in_channels // self.groups, -1)
        wide = torch.promote_types(var.dtype, torch.float32)  # eps is next to nothing in float16
        scale = torch.rsqrt(var.to(wide) + self.eps).to(self.weight.dtype).view(grouped)
        by_group = self.weight.unflatten(0, (self.groups, -1)) * scale
        shift = (by_group * mean.to(self.weight.dtype).view(grouped)).sum(dim=(2, 3)).flatten()
        bias = -shift if self.bias is None else self.bias - shift
        return self._kernel(by_group.flatten(0, 1)), bias

    def _kernel(self, weight: Tensor) -> Tensor:
        with without_autocast(weight.device):  # a kernel rounded twice is less exact
            return (weight @ self.filter_bank.flatten(1)).view(self.kernel_shape)

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) or (C, H, W) to nn.Conv2d's output shape."""
        if isinstance(input, fx.Proxy):  # one node of a traced graph, as nn.Conv2d is
            name = input.tracer.path_of_module(self)
            return input.tracer.create_proxy("call_module", name, (input,), {})
        geometry = Geometry.of(self)
        fits = input.dim() in (3, 4) and input.shape[-3] == self.in_channels
        fits = fits and computing_dtype(input) == computing_dtype(self.weight)
        if not (self.batch_norm and self.training and fits):
            return geometry.convolve(input, *self.equivalent_kernel())  # raises what F.conv2d does
        images, geometry = geometry.padded_ahead(input if input.dim() == 4 else input.unsqueeze(0))
        if use_moments(self.statistics, images, len(self.filter_bank), geometry):
            kernel_of, combine = self.normalised_kernel, self.combine_statistics
            output, found = convolve_normalised(
                images, self.filter_bank, geometry, kernel_of, self.eps, combine
            )
            self._follow(*found)
        else:
            maps = response_maps(images, self.filter_bank, geometry)
            running = (self.running_mean, self.running_var)
            maps = F.batch_norm(maps, *running, None, None, True, self._share(), self.eps)
            combination = self.weight.flatten(1)[:, :, None, None]
            output = F.conv2d(maps, combination, self.bias, groups=self.groups)
        return output if input.dim() == 4 else output.squeeze(0)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Moves the running statistics towards those of a batch, as nn.BatchNorm2d does."""
        share = self._share()
        unbiased = variance * (count / (count - 1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), share)

    def _share(self) -> float:
        """Counts a batch; the weight of its statistics in the running ones."""
        self.num_batches_tracked.add_(1)
        return 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum

    def extra_repr(self) -> str:
        shown = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}"]
        usual = vars(Geometry(self.kernel_size)) | OWN_ARGUMENTS
        shown += [f"{k}={getattr(self, k)!r}" for k, v in usual.items() if getattr(self, k) != v]
        return ", ".join(shown if self.bias is not None else [*shown, "bias=False"])


OWN_ARGUMENTS: dict[str, Any] = HarmonicConv2d.__init__.__kwdefaults__ or {}
"""What nn.Conv2d has not, which is what only keywords give, and its default."""
