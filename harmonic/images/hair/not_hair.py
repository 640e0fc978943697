"""What looks like hair and is none: the ticks of rulers and reticles, and what lies around glare.

Ticks are short dark bars; what tells them from short hairs is the company they keep: parallel to
the degree, of one breadth, evenly spaced. Around glare (gel bubbles, wet spots, scales) run lines
as thin and long as hair. Lengths are in pixels of an image 600 wide and scale with the image.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from harmonic.images.hair.morphology import (
    FloatArray,
    Image,
    IntArray,
    Mask,
    connected_pieces,
    disc,
    odd,
)

GLARE = 250
"""Grey level that glare reaches in all three colours; light hair does not."""
AROUND = 17.0
"""How wide a single glint makes the area around it."""

SHORTEST_TICK, LONGEST_TICK = 7.0, 60.0
BROADEST_TICK = 9.0
NEAREST, FARTHEST = 5.0, 70.0
"""Distance between the lines that two neighbouring ticks lie on."""
PRINTED = 80.0
"""Depth in grey levels of a reticle's ticks, which are black and in focus."""
FAINT, STRONG = 14, 40
"""Depths at which ticks are looked for; on rough skin, faint ones touch other things."""


def around_glare(image: Image, scale: float) -> Mask:
    """Of an image, uint8 (H, W, 3), what lies in a disc around a glint: bool (H, W).

    A glint is smaller than that disc; larger bright areas are skin in too much light.
    """
    bright = (image.min(axis=2) >= GLARE).view(np.uint8)
    around = disc(odd(AROUND * scale))
    glints = cv2.subtract(bright, cv2.morphologyEx(bright, cv2.MORPH_OPEN, around))
    return np.asarray(cv2.dilate(glints, around).astype(np.bool_))


def ruler_ticks(dark: Mask, depth: Image, scale: float) -> Mask:
    """Of the dark pixels, bool (H, W), those of ruler ticks and a rim of 2 pixels around them.

    `depth`, uint8 (H, W), is how far each pixel lies below its surroundings; `scale` the width of
    the image over 600.
    """
    found = np.zeros(dark.shape, dtype=np.uint8)
    for lowest in (FAINT, STRONG):
        pixel = np.flatnonzero(dark & (depth >= lowest))
        bars, bar = _bars(dark.shape, pixel, depth.ravel()[pixel], scale)
        tick = _in_a_series(bars, scale) | _in_a_corner(bars, dark.shape, scale)
        found.ravel()[pixel[bar >= 0][tick[bar[bar >= 0]]]] = 1
    return cv2.dilate(found, np.ones((5, 5), dtype=np.uint8)) > 0


@dataclass(frozen=True)
class _Bars:
    """Connected pieces of about the shape of a tick, n of them."""

    centre: FloatArray  # (n, 2): x, y
    angle: FloatArray  # radians; a line has no sign, so π is 0 again
    breadth: FloatArray
    depth: FloatArray


def _bars(
    shape: tuple[int, ...], pixel: IntArray, depth: NDArray[np.generic], scale: float
) -> tuple[_Bars, IntArray]:
    """The bars among listed pixels, and which bar each pixel is in (-1: none)."""
    piece = connected_pieces(shape, pixel, 8.0 * max(scale, 0.5) ** 2)
    y, x = np.divmod(pixel[piece.member], shape[1])
    centre = np.column_stack([piece.mean(x), piece.mean(y)])
    x_off, y_off = x - centre[piece.label, 0], y - centre[piece.label, 1]
    # A rectangle of length l has a variance of l² / 12 along its axis.
    xx, yy, xy = piece.mean(x_off**2), piece.mean(y_off**2), piece.mean(x_off * y_off)
    spread = np.hypot((xx - yy) / 2, xy)
    length = np.sqrt(12 * ((xx + yy) / 2 + spread) + 1)
    breadth = np.maximum(np.sqrt(12 * np.maximum((xx + yy) / 2 - spread, 0.0)), 1.0)
    diagonal = np.hypot(piece.width, piece.height)
    suitable = (diagonal >= SHORTEST_TICK * scale) & (diagonal <= LONGEST_TICK * scale)
    suitable &= (length >= 2.5 * breadth) & (breadth <= BROADEST_TICK * max(scale, 0.5))
    bars = _Bars(
        centre=centre[suitable],
        angle=(0.5 * np.arctan2(2 * xy, xx - yy))[suitable],
        breadth=breadth[suitable],
        depth=piece.mean(depth[piece.member])[suitable],
    )
    bar = np.full(len(pixel), -1)
    bar[piece.member] = np.where(suitable, np.cumsum(suitable) - 1, -1)[piece.label]
    return bars, bar


def _seen_from(bars: _Bars, one: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """All bars relative to one: offset across and along it, angle, ratio of breadths (from 1)."""
    x, y = (bars.centre - bars.centre[one]).T
    cosine, sine = np.cos(bars.angle[one]), np.sin(bars.angle[one])
    turned = np.abs((bars.angle - bars.angle[one] + np.pi / 2) % np.pi - np.pi / 2)
    ratio = np.maximum(bars.breadth / bars.breadth[one], bars.breadth[one] / bars.breadth)
    return y * cosine - x * sine, x * cosine + y * sine, turned, ratio


def _in_a_series(bars: _Bars, scale: float) -> Mask:
    """Bars beside two others, one before and one behind at equal distances."""
    tick = np.zeros(len(bars.angle), dtype=bool)
    for one in range(len(tick)):
        across, along, turned, ratio = _seen_from(bars, one)
        distance = np.abs(across)
        beside = (turned <= np.radians(6)) & (ratio <= 2.2)
        beside &= (distance >= NEAREST * scale) & (distance <= FARTHEST * scale)
        beside &= np.abs(along) <= 0.9 * distance + 3 * scale
        others = np.flatnonzero(beside)
        if len(others) < 2:
            continue
        step, shift = across[others], along[others]
        smaller = np.minimum(distance[others][:, None], distance[others][None, :])
        opposite = np.abs(step[:, None] + step[None, :]) <= 0.07 * smaller + 1.2 * scale
        # The border of the image may cut a tick short, which moves its centre along the tick.
        opposite &= np.abs(shift[:, None] + shift[None, :]) <= 24 * scale
        if opposite.any():
            tick[one] = True
            tick[others[opposite.any(axis=0)]] = True
    return tick


def _in_a_corner(bars: _Bars, shape: tuple[int, ...], scale: float) -> Mask:
    """Black bars side by side in one corner, where often two of a reticle's ticks can be seen."""
    height, width = shape
    corners = np.array([[0, 0], [0, height], [width, 0], [width, height]])
    distance = np.hypot(*(bars.centre[:, None] - corners).transpose(2, 0, 1))
    corner = distance.argmin(axis=1)
    possible = (distance.min(axis=1) <= 150 * scale) & (bars.depth >= PRINTED)
    tick = np.zeros(len(bars.angle), dtype=bool)
    for one in np.flatnonzero(possible):
        across, along, turned, ratio = _seen_from(bars, int(one))
        step = np.abs(across)
        beside = possible & (corner == corner[one]) & (turned <= np.radians(4)) & (ratio <= 1.35)
        beside &= (step >= 25 * scale) & (step <= 60 * scale)
        beside &= np.abs(along) <= 0.8 * step + 10 * scale
        tick[one] |= beside.any()
    return tick
