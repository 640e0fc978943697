"""Resizing photographs to the square input of a network: one, or many files into one array."""

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse
import skimage.transform
from numpy.typing import NDArray

from harmonic.errors import InputError
from harmonic.images.decode import read_rgb
from harmonic.images.parallel import in_processes

ASPECTS = ("squash", "crop", "pad")
"""What becomes of the aspect ratio: ignore it, cut the longer side, or extend the shorter one."""

SMALLEST, LARGEST = 28, 224
"""Allowed side lengths in pixels."""


def resize(image: NDArray[np.uint8], size: int, aspect: str = "squash") -> NDArray[np.uint8]:
    """Resize uint8 (H, W, 3) to uint8 (size, size, 3).

    `aspect`: "squash" (as the blog post does), "crop" (the central square), or "pad" (a square
    around the image, its border pixels repeated outwards).

    The result is that of skimage.transform.resize with linear interpolation and anti_aliasing,
    rounded. That filter is linear and separable, so it is one sparse matrix for the rows and one
    for the columns, both taken from scikit-image itself; sparse products also add up in a fixed
    order, so that the bits do not depend on the number of threads.

    Raises InputError for a size or an aspect that is not allowed.
    """
    if not SMALLEST <= size <= LARGEST:
        raise InputError(f"image size {size}; {SMALLEST} to {LARGEST} pixels are allowed")
    square = _to_aspect(image, aspect)
    height, width = square.shape[:2]
    rows = resampling_matrix(height, size) @ square.reshape(height, width * 3).astype(np.float64)
    columns_first = rows.reshape(size, width, 3).transpose(1, 0, 2).reshape(width, size * 3)
    resized = resampling_matrix(width, size) @ columns_first
    resized = resized.reshape(size, size, 3).transpose(1, 0, 2)
    return np.ascontiguousarray(np.round(np.clip(resized, 0.0, 255.0)).astype(np.uint8))


def stack_resized(
    paths: Sequence[Path], target: Path, size: int, aspect: str, *, jobs: int = -1
) -> None:
    """Resize every file into one .npy array, uint8 (N, size, size, 3), in the order of `paths`.

    The array is written through a memory map, so memory does not grow with N.
    """
    array = np.lib.format.open_memmap(
        target, mode="w+", dtype=np.uint8, shape=(len(paths), size, size, 3)
    )
    # A file that a full disk cuts short would end the process (SIGBUS) when the map is written.
    with target.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, target.stat().st_size)
    files = [(path.absolute(), size, aspect) for path in paths]
    for row, image in enumerate(in_processes(_resized_file, files, name="resize", jobs=jobs)):
        array[row] = image
    array.flush()


def _resized_file(path: Path, size: int, aspect: str) -> NDArray[np.uint8]:
    return resize(read_rgb(path), size, aspect)


@lru_cache(maxsize=64)
def resampling_matrix(length: int, size: int) -> scipy.sparse.csr_array:
    """The matrix (size, length) by which scikit-image resizes a line of `length` pixels.

    Its columns are the resized unit vectors. Those too far apart to share a pixel of the result are
    resized as one: a row belongs to the nearest of them.
    """
    factor = length / size
    # scikit-image's Gaussian has deviation (factor - 1) / 2 and ends after four of them; the
    # interpolation reaches one pixel further.
    reach = int(4 * max(0.0, (factor - 1) / 2) + 0.5) + 2
    spacing = min(length, 2 * reach + 1)
    places = np.arange(length)
    together = (places[:, None] % spacing == np.arange(spacing)).astype(np.float64)
    resized = skimage.transform.resize(
        together, (size, spacing), order=1, mode="reflect", anti_aliasing=size < length
    )
    centres = (np.arange(size) + 0.5) * factor - 0.5
    near = np.abs(places - centres[:, None]) <= reach
    return scipy.sparse.csr_array(np.where(near, resized[:, places % spacing], 0.0))


def _to_aspect(image: NDArray[np.uint8], aspect: str) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if aspect == "squash":
        return image
    if aspect == "crop":
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return image[top : top + side, left : left + side]
    if aspect == "pad":
        side = max(height, width)
        top, left = (side - height) // 2, (side - width) // 2
        margins = ((top, side - height - top), (left, side - width - left), (0, 0))
        return np.pad(image, margins, mode="edge")
    raise InputError(f"aspect {aspect!r}; allowed are {', '.join(ASPECTS)}")
