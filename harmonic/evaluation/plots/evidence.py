"""Photographs with the evidence laid over them, and kernels as small pictures."""

import io
from collections.abc import Sequence
from math import ceil

import cv2
import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from harmonic.errors import InputError

CASE_SIDE = 144
"""Pixels of an image on a strip."""

PIXEL = 10
"""Side of a kernel's entry on a sheet."""


def case_strip(image: NDArray[np.uint8], heats: Sequence[NDArray[np.floating]]) -> bytes:
    """PNG: the image, and beside it once for each heat map (H, W) in [0, 1] the two together."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise InputError(f"case: {image.dtype} {image.shape}; allowed is uint8 (H, W, 3)")
    large = enlarged(image)
    parts = [large]
    for heat in heats:
        shown = np.clip(enlarged(np.asarray(heat, dtype=np.float32)), 0, 1)
        colour = colormaps["inferno"](shown)[..., :3] * 255
        weight = 0.65 * shown[..., None]
        parts += [(large * (1 - weight) + colour * weight).astype(np.uint8)]
    gap = np.zeros((CASE_SIDE, 4, 4), dtype=np.uint8)
    opaque = [np.dstack([part, np.full(part.shape[:2], 255, np.uint8)]) for part in parts]
    strip = [opaque[0]]
    for part in opaque[1:]:
        strip += [gap, part]
    return png(np.concatenate(strip, axis=1))


def filter_sheet(kernels: NDArray[np.floating], columns: int = 16) -> bytes:
    """PNG: kernels (n, 3, k, k) in colour, or (n, 1, k, k) in grey, each scaled by its largest.

    Middle grey is 0, darker is below it, brighter above.
    """
    if kernels.ndim != 4 or kernels.shape[1] not in (1, 3) or len(kernels) == 0:
        raise InputError(f"kernels: shape {kernels.shape}; allowed is (n, 1 or 3, k, k)")
    largest = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True)
    shades = 127.5 + 127.5 * kernels / np.where(largest > 0, largest, 1)
    coloured = np.broadcast_to(shades, (len(kernels), 3, *kernels.shape[2:]))
    small = np.round(coloured.transpose(0, 2, 3, 1)).astype(np.uint8)
    tiles = small.repeat(PIXEL, axis=1).repeat(PIXEL, axis=2)
    height, width = tiles.shape[1:3]
    columns = min(columns, len(tiles))
    rows, gap = ceil(len(tiles) / columns), 5
    sheet = np.zeros((rows * (height + gap) - gap, columns * (width + gap) - gap, 4), np.uint8)
    for number, tile in enumerate(tiles):
        top, left = (number // columns) * (height + gap), (number % columns) * (width + gap)
        sheet[top : top + height, left : left + width, :3] = tile
        sheet[top : top + height, left : left + width, 3] = 255
    return png(sheet)


def enlarged(picture: NDArray) -> NDArray:
    found: NDArray = cv2.resize(picture, (CASE_SIDE, CASE_SIDE), interpolation=cv2.INTER_LINEAR)
    return found


def png(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
