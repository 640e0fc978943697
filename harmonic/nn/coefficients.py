"""Coefficients on a filter bank for a given ordinary kernel."""

import math

import torch
from torch import Tensor


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
    gain = math.sqrt(unit.shape[1]) / float((unit @ unit.T).norm())
    coefficients = kernel.double().flatten(2) @ (unit * gain).T
    return coefficients if normalised else coefficients / length.flatten()
