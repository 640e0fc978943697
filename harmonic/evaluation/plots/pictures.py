"""What the filters learned and what hair removal did, as pictures."""

import io
from collections.abc import Mapping, Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from harmonic.errors import InputError
from harmonic.evaluation.plots.drawing import house_style, shaded_cell, to_svg

SHEET_WIDTH = 320
"""Pixels of each photograph on a sheet: hair shows, and a page with many of them stays small."""

GAP = 6


def spectra(energies: Mapping[str, NDArray[np.floating]]) -> bytes:
    """SVG: one panel a layer, the share of its energy in each frequency, in per cent.

    Args:
        energies: for each layer the mean squared coefficient (K, K) of frequency (u, v), u down
            (vertical), v right (horizontal), >= 0; NaN where the layer has no such filter.
    """
    if not energies:
        raise InputError("spectra: no layer; at least one is needed")
    columns = min(4, len(energies))
    rows = ceil(len(energies) / columns)
    with house_style():
        figure = Figure(figsize=(2.1 * columns, 2.35 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (layer, energy) in zip(grid, energies.items(), strict=False):
            _spectrum(axes, layer, np.asarray(energy, dtype=np.float64))
        for axes in grid[len(energies) :]:
            axes.set_axis_off()
        return to_svg(figure)


def pair_sheet(pairs: Sequence[tuple[NDArray[np.uint8], NDArray[np.uint8]]]) -> bytes:
    """PNG: one row a pair of photographs, before at the left and after at the right.

    Each image is uint8 (H, W, 3) and is shrunk to SHEET_WIDTH at most; what it does not cover is
    transparent. Raises InputError for an empty sheet, another dtype or shape, or a pair whose two
    images differ in size.
    """
    if not pairs:
        raise InputError("picture pairs: none; at least one is needed")
    rows = []
    for before, after in pairs:
        if np.shape(before) != np.shape(after):
            raise InputError(
                f"picture pair: sizes {np.shape(before)} and {np.shape(after)}; must be equal"
            )
        left, right = _shrunk(before), _shrunk(after)
        gap = np.zeros((len(left), GAP, 4), dtype=np.uint8)
        rows.append(np.concatenate([left, gap, right], axis=1))
    width = max(row.shape[1] for row in rows)
    gap = np.zeros((GAP, width, 4), dtype=np.uint8)
    parts = []
    for row in rows:
        parts += [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0))), gap]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(parts[:-1])).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _spectrum(axes: Axes, layer: str, energy: NDArray[np.float64]) -> None:
    if energy.ndim != 2 or np.any(energy < 0) or np.any(np.isinf(energy)):
        raise InputError(f"spectrum of {layer}: needs a matrix of numbers that are 0 or more")
    total = np.nansum(energy)
    shares = energy / total if total > 0 else np.where(np.isnan(energy), np.nan, 0.0)
    strongest = max(np.nanmax(shares, initial=0), np.finfo(np.float64).tiny)
    written = energy.size <= 25
    for u, v in np.ndindex(*shares.shape):
        share = shares[u, v]
        if np.isnan(share):
            continue
        # The root lets weak frequencies be seen beside the strongest, usually the mean.
        text = f"{100 * share:.0f}" if written else ""
        shaded_cell(axes, v, u, float(np.sqrt(share / strongest)), text)
    height, width = shares.shape
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")
    axes.set_xticks(range(width))
    axes.set_yticks(range(height))
    axes.grid(visible=False)
    axes.set_title(layer, fontsize=8)
    axes.set_xlabel("v", fontsize=8)
    axes.set_ylabel("u", fontsize=8)


def _shrunk(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGBA (h, w, 4), w at most SHEET_WIDTH, each pixel the mean of those it stands for."""
    array = np.asarray(image)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or array.size == 0:
        raise InputError(
            f"picture: {array.dtype} {array.shape}; allowed is uint8 (height, width, 3)"
        )
    picture = Image.fromarray(array)
    if picture.width > SHEET_WIDTH:
        height = max(round(picture.height * SHEET_WIDTH / picture.width), 1)
        picture = picture.resize((SHEET_WIDTH, height), Image.Resampling.BOX)
    return np.asarray(picture.convert("RGBA"))
