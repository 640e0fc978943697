"""Orthogonal transforms of one dimension, the table from which two-dimensional filters are made.

Each function takes a size and returns a square float64 matrix: row u is the wave of frequency u,
column x its sample at position x, in the textbook's own scale. Rows are orthogonal; dividing each
by its length makes them orthonormal. Rows are ordered by frequency (by the number of sign changes
where there is no cosine), which gives `level` its meaning for every transform.

A new transform is one function and one row of TRANSFORMS. `random_basis` is none: its
filters are no products of two waves.
"""

import math
import random
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor


def dct2_waves(size: int, samples: int) -> Tensor:
    """cos(π/size · (x + ½) · u) for u < min(size, samples) and x < samples: the DCT-II, sampled.

    Harmonic networks (Ulicny et al., arXiv 1812.03205, eq. 1). With samples == size this is the
    transform itself. With fewer samples it is the beginning of longer waves, with more samples
    their mirrored continuation; in both cases the rows are no longer orthogonal.
    """
    return _cosines(size, _range(min(size, samples)), _range(samples) + 0.5)


def dct1(size: int) -> Tensor:
    """DCT-I, cos(π u x / (size − 1)); end samples weigh 1/√2, without which rows overlap."""
    if size == 1:
        return _one()
    waves = _cosines(size - 1, _range(size), _range(size))
    waves[:, 0] /= math.sqrt(2)
    waves[:, -1] /= math.sqrt(2)
    return waves


def dct2(size: int) -> Tensor:
    """DCT-II, cos(π/size · (x + ½) u): the transform of the papers and of JPEG."""
    return dct2_waves(size, size)


def dct3(size: int) -> Tensor:
    """DCT-III, cos(π/size · x (u + ½)), the inverse of DCT-II; the first sample weighs 1/√2."""
    waves = _cosines(size, _range(size) + 0.5, _range(size))
    waves[:, 0] /= math.sqrt(2)
    return waves


def dct4(size: int) -> Tensor:
    """DCT-IV, cos(π/size · (x + ½)(u + ½)); no wave of it is constant."""
    return _cosines(size, _range(size) + 0.5, _range(size) + 0.5)


def hadamard(size: int) -> Tensor:
    """Walsh–Hadamard waves of ±1 in order of sign changes; size must be a power of two."""
    return _by_sign_changes(_doubled(size, "hadamard", _hadamard_step))


def slant(size: int) -> Tensor:
    """Slant transform (Pratt, Chen and Welch, 1974): row 1 is a straight line; powers of two only.

    Rows come out orthonormal. For size 4 the line is (3, 1, −1, −3) / √20, which the factors
    a = 2/√5, b = 1/√5 give.
    """
    return _by_sign_changes(_doubled(size, "slant", _slant_step))


def haar(size: int) -> Tensor:
    """Haar waves of −1, 0 and 1, coarse scales first; size must be a power of two."""
    return _doubled(size, "haar", _haar_step)


@cache
def random_basis(height: int, width: int) -> Tensor:
    """(height · width, height, width), float64: an orthonormal basis of all kernels, drawn by lot.

    Uniform among all such bases, the same for every layer of one kernel size on every machine:
    rows of normal numbers made orthonormal in order, in exactly rounded sums. It is the control
    for what cosines do: as complete and as orthonormal, without any frequency.
    """
    size = height * width
    draw = random.Random(f"{height} x {width}")
    rows: list[list[float]] = []
    for _ in range(size):
        row = [draw.gauss(0, 1) for _ in range(size)]
        for _ in range(2):  # once leaves the rounding of a long projection
            for other in rows:
                shared = math.fsum(a * b for a, b in zip(row, other, strict=True))
                row = [a - shared * b for a, b in zip(row, other, strict=True)]
        length = math.sqrt(math.fsum(a * a for a in row))
        rows.append([a / length for a in row])
    return torch.tensor(rows, dtype=torch.float64, device="cpu").view(size, height, width)


TRANSFORMS: dict[str, Callable[[int], Tensor]] = {
    "dct1": dct1,
    "dct2": dct2,
    "dct3": dct3,
    "dct4": dct4,
    "hadamard": hadamard,
    "slant": slant,
    "haar": haar,
}


def _cosines(size: int, frequencies: Tensor, positions: Tensor) -> Tensor:
    return torch.cos(math.pi / size * frequencies[:, None] * positions)


def _range(count: int) -> Tensor:
    return torch.arange(count, dtype=torch.float64, device="cpu")


def _one() -> Tensor:
    return torch.ones(1, 1, dtype=torch.float64, device="cpu")


def _doubled(size: int, name: str, step: Callable[[Tensor], Tensor]) -> Tensor:
    if size & (size - 1):
        raise ValueError(f"transform={name!r} needs sizes that are powers of two, not {size}")
    matrix = _one()
    while len(matrix) < size:
        matrix = step(matrix)
    return matrix


def _hadamard_step(half: Tensor) -> Tensor:
    return torch.cat([torch.cat([half, half], 1), torch.cat([half, -half], 1)])


def _haar_step(half: Tensor) -> Tensor:
    coarse = half.repeat_interleave(2, dim=1)
    fine = torch.zeros_like(coarse)
    fine[:, 0::2].fill_diagonal_(1)
    fine[:, 1::2].fill_diagonal_(-1)
    return torch.cat([coarse, fine])


def _slant_step(half: Tensor) -> Tensor:
    """The recursion from size n/2 to n: both halves side by side, rows 1 and n/2 rotated."""
    n = 2 * len(half)
    even = torch.cat([half, half], 1) / math.sqrt(2)
    odd = torch.cat([half, -half], 1) / math.sqrt(2)
    if n > 2:
        a = math.sqrt(3 * n * n / (4 * (n * n - 1)))
        b = math.sqrt((n * n - 4) / (4 * (n * n - 1)))
        step, line = odd[0].clone(), even[1].clone()
        even[1] = a * step + b * line
        odd[0] = -b * step + a * line
    return torch.cat([even, odd])


def _by_sign_changes(matrix: Tensor) -> Tensor:
    changes = (matrix[:, 1:] * matrix[:, :-1] < 0).sum(dim=1)
    return matrix[torch.argsort(changes, stable=True)]
