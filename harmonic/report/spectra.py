"""Where in frequency the energy of trained convolutions lies."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from harmonic.nn.filters import filter_bank
from harmonic.nn.surgery import fold


def layer_spectra(model: nn.Module) -> dict[str, np.ndarray]:
    """Mean energy of each DCT frequency, layer by layer: name -> float64 (kh, kw).

    Entry (u, v) is the mean over all pairs of channels of the squared coefficient of the
    orthonormal filter with row frequency u and column frequency v. The network is folded first
    (eval mode), so harmonic layers of any norm and plain convolutions are measured alike; layers
    with 1 x 1 kernels have one frequency and are left out.
    """
    spectra = {}
    for name, kernel in spatial_kernels(model):
        bank = filter_bank((kernel.shape[2], kernel.shape[3]))  # row-major in (u, v)
        coefficients = torch.einsum("oixy,fxy->oif", kernel, bank)
        energy = coefficients.square().mean(dim=(0, 1))
        spectra[name] = energy.reshape(kernel.shape[2:]).numpy()
    return spectra


def first_kernels(model: nn.Module) -> tuple[np.ndarray, np.ndarray] | None:
    """The kernels of the layer that sees the image, (n, 3, k, k), and the fixed filters (F, k, k).

    None where no layer has kernels with three channels that are larger than 1 x 1.
    """
    for _, kernel in spatial_kernels(model):
        if kernel.shape[1] == 3:
            return kernel.numpy(), filter_bank((kernel.shape[2], kernel.shape[3])).numpy()
    return None


def spatial_kernels(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and kernels, float64 on the CPU, of every convolution that is larger than 1 x 1."""
    for name, layer in fold(model.eval()).named_modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
            yield name, layer.weight.detach().double().cpu()
