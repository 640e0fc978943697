"""The bank of fixed filters that a harmonic layer combines."""

from torch import Tensor

from .checks import boolean, integer, one_of, pair
from .transforms import TRANSFORMS, dct2_waves, random_basis

NORMS = ("ortho", "l1", "none")
RANDOM = "random"
LARGEST = 64 * 64
"""Positions of a kernel; a bank has up to their square, of which 300 × 300 would take 65 GB."""


def filter_bank(
    kernel_size: int | tuple[int, int],
    *,
    level: int | None = None,
    dc: bool = True,
    norm: str = "ortho",
    basis_size: int | tuple[int, int] | None = None,
    transform: str = "dct2",
) -> Tensor:
    """All two-dimensional filters of a transform, row by row: (F, kh, kw), float64, on the CPU.

    Filter (u, v) is the outer product of wave u along the rows and wave v along the columns; the
    order is u-major: (0, 0), (0, 1), … For the default transform that is
    cos(π/kh (y + ½) u) · cos(π/kw (x + ½) v), eq. 1 of arXiv 1812.03205.

    kernel_size: height and width, or one number for both.
    level: the papers' λ. Filters with u + v < level are kept; None keeps all kh·kw.
    dc: False drops filter (0, 0).
    norm: "ortho": each filter has length 1, and with the default basis_size the bank is
        orthonormal. "l1": the absolute values of each filter sum to 1, as in the authors' code.
        "none": the formula as it stands.
    basis_size: the N of cos(π/N (x + ½) u) where it is not the kernel's size (DCT-II only).
        N greater than the kernel gives the beginnings of slower waves, N smaller their mirrored
        continuation, with frequencies u, v < N only. Neither bank is orthogonal; N greater spans
        all kernels but is ill-conditioned, N smaller spans only kernels with that symmetry.
    transform: a name of harmonic.nn.transforms.TRANSFORMS, or "random": `random_basis`, whose
        filters take the places (u, v) in order, so that level keeps as many as of any other.

    Raises TypeError for a size or level that is no integer, ValueError for one below 1, a kernel of
    more than LARGEST positions, an unknown norm or transform, a size the transform has not, and for
    a bank left without filters.
    """
    kept = frequencies(kernel_size, level=level, dc=dc, basis_size=basis_size)
    one_of("norm", norm, NORMS)
    one_of("transform", transform, (*TRANSFORMS, RANDOM))
    size = pair("kernel_size", kernel_size, least=1)
    basis = size if basis_size is None else pair("basis_size", basis_size, least=1)
    if transform != "dct2" and basis != size:
        raise ValueError(
            f"basis_size={basis_size} differs from {kernel_size=}: "
            f"only transform='dct2' has such waves, not {transform!r}"
        )
    us, vs = (list(one) for one in zip(*kept, strict=True))
    if transform == RANDOM:
        filters = random_basis(*size)[[u * size[1] + v for u, v in kept]]
    else:
        rows, columns = (
            dct2_waves(of_basis, samples) if transform == "dct2" else TRANSFORMS[transform](samples)
            for samples, of_basis in zip(size, basis, strict=True)
        )
        filters = rows[us, :, None] * columns[vs, None, :]
    if norm == "none":
        return filters
    flat = filters.flatten(1)
    length = flat.norm(dim=1) if norm == "ortho" else flat.abs().sum(dim=1)
    return filters / length[:, None, None]


def frequencies(
    kernel_size: int | tuple[int, int],
    *,
    level: int | None = None,
    dc: bool = True,
    basis_size: int | tuple[int, int] | None = None,
) -> list[tuple[int, int]]:
    """(u, v) of each filter of the bank with these arguments, in order; errors as `filter_bank`."""
    size = pair("kernel_size", kernel_size, least=1)
    if size[0] * size[1] > LARGEST:
        raise ValueError(f"{kernel_size=} has {size[0] * size[1]} positions; at most {LARGEST}")
    basis = size if basis_size is None else pair("basis_size", basis_size, least=1)
    if level is not None:
        level = integer("level", level, least=1)
    boolean("dc", dc)
    height, width = (min(sizes) for sizes in zip(size, basis, strict=True))
    kept = [
        (u, v)
        for u in range(height)
        for v in range(width)
        if (level is None or u + v < level) and (dc or u + v > 0)
    ]
    if not kept:
        raise ValueError(f"{level=} with {dc=} leaves no filter of {kernel_size=}")
    return kept
