"""Where in frequency the energy of trained convolutions lies."""

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
    for name, layer in fold(model.eval()).named_modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
            kernel = layer.weight.detach().double().cpu()
            height, width = layer.kernel_size
            bank = filter_bank((height, width))  # (kh * kw, kh, kw), row-major in (u, v)
            coefficients = torch.einsum("oixy,fxy->oif", kernel, bank)
            energy = coefficients.square().mean(dim=(0, 1))
            spectra[name] = energy.reshape(layer.kernel_size).numpy()
    return spectra
