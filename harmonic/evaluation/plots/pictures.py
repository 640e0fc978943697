"""Pictures as PNG: hair before and after, kernels, and photographs with the evidence over them."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image

from harmonic.errors import InputError

SHEET_WIDTH = 320
"""Pixels of each photograph on a sheet: hair shows, and a page with many of them stays small."""

GAP = 6

CASE_SIDE = 144
"""Pixels of an image on a strip."""

PIXEL = 10
"""Side of a kernel's entry on a sheet."""


def pair_sheet(pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> bytes:
    """One row a pair of photographs, before at the left and after at the right.

    Each image is uint8 (H, W, 3) and is shrunk to SHEET_WIDTH at most; what it does not cover is
    transparent. Raises InputError for a pair whose two images differ in size.
    """
    for before, after in pairs:
        if np.shape(before) != np.shape(after):
            raise InputError(
                f"picture pair: sizes {np.shape(before)} and {np.shape(after)}; must be equal"
            )
    return sheet([[_shrunk(before), _shrunk(after)] for before, after in pairs], GAP)


def case_strip(image: NDArray[np.uint8], heats: Sequence[NDArray[np.floating]]) -> bytes:
    """The image (H, W, 3), and beside it, for each heat map (H, W) in [0, 1], the two together."""
    large = enlarged(image)
    parts = [large]
    for heat in heats:
        shown = np.clip(enlarged(np.asarray(heat, dtype=np.float32)), 0, 1)
        colour = colormaps["inferno"](shown)[..., :3] * 255
        weight = 0.65 * shown[..., None]
        parts.append((large * (1 - weight) + colour * weight).astype(np.uint8))
    return sheet([[opaque(part) for part in parts]], 4)


def filter_sheet(kernels: NDArray[np.floating], columns: int = 16) -> bytes:
    """Kernels (n, 3, k, k) in colour, or (n, 1, k, k) in grey, each scaled by its largest.

    Middle grey is 0, darker is below it, brighter above.
    """
    largest = np.abs(kernels).max(axis=(1, 2, 3), keepdims=True)
    shades = 127.5 + 127.5 * kernels / np.where(largest > 0, largest, 1)
    coloured = np.broadcast_to(shades, (len(kernels), 3, *kernels.shape[2:]))
    small = np.round(coloured.transpose(0, 2, 3, 1)).astype(np.uint8)
    tiles = [opaque(tile) for tile in small.repeat(PIXEL, axis=1).repeat(PIXEL, axis=2)]
    return sheet([tiles[n : n + columns] for n in range(0, len(tiles), columns)], 5)


def sheet(rows: Sequence[Sequence[NDArray[np.uint8]]], gap: int) -> bytes:
    """RGBA pictures (h, w, 4) in rows, each of one height, with transparent gaps."""
    strips = [beside(row, gap) for row in rows]
    width = max(strip.shape[1] for strip in strips)
    wide = [np.pad(strip, ((0, 0), (0, width - strip.shape[1]), (0, 0))) for strip in strips]
    pixels = beside([strip.transpose(1, 0, 2) for strip in wide], gap).transpose(1, 0, 2)
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def beside(parts: Sequence[NDArray[np.uint8]], gap: int) -> NDArray[np.uint8]:
    space = np.zeros((len(parts[0]), gap, 4), dtype=np.uint8)
    return np.concatenate([one for part in parts for one in (space, part)][1:], axis=1)


def opaque(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])


def enlarged(picture: NDArray) -> NDArray:
    found: NDArray = cv2.resize(picture, (CASE_SIDE, CASE_SIDE), interpolation=cv2.INTER_LINEAR)
    return found


def _shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA (h, w, 4), w at most SHEET_WIDTH, each pixel the mean of those it stands for."""
    picture = Image.fromarray(image)
    if picture.width > SHEET_WIDTH:
        height = max(round(picture.height * SHEET_WIDTH / picture.width), 1)
        picture = picture.resize((SHEET_WIDTH, height), Image.Resampling.BOX)
    return np.asarray(picture.convert("RGBA"))
