"""The ticks of rulers and reticles in dermoscopy photographs: short dark bars at equal distances.

One by one they look like short hairs. What tells them apart is the company they keep: parallel to
the degree, of one breadth, evenly spaced. Lengths are in pixels of an image 600 wide and scale with
the image.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

SHORTEST_TICK, LONGEST_TICK = 7.0, 60.0
BROADEST_TICK = 9.0
NEAREST, FARTHEST = 5.0, 70.0
"""Distance between the lines that two neighbouring ticks lie on."""
PRINTED = 80.0
"""Depth in grey levels of a reticle's ticks, which are black and in focus."""
FAINT, STRONG = 14, 40
"""Depths at which ticks are looked for; on rough skin, faint ones touch other things."""


def ruler_ticks(dark: Mask, depth: Image, scale: float) -> Mask:
    """Of the dark pixels, bool (H, W), those of ruler ticks and a rim of 2 pixels around them.

    `depth`, uint8 (H, W), is how far each pixel lies below its surroundings; `scale` the width of
    the image over 600.
    """
    found = np.zeros(dark.shape, dtype=bool)
    for lowest in (FAINT, STRONG):
        bars, labels = _bars(dark & (depth >= lowest), depth, scale)
        tick = _in_a_series(bars, scale) | _in_a_corner(bars, dark.shape, scale)
        found |= np.isin(labels, bars.label[tick])
    rim = cv2.dilate(found.view(np.uint8), np.ones((5, 5), dtype=np.uint8))
    return rim > 0


@dataclass(frozen=True)
class _Bars:
    """Connected components of about the shape of a tick, n of them."""

    label: NDArray[np.int64]
    centre: FloatArray  # (n, 2): x, y
    angle: FloatArray  # radians; a line has no sign, so π is 0 again
    breadth: FloatArray
    depth: FloatArray


def _bars(mask: Mask, depth: Image, scale: float) -> tuple[_Bars, NDArray[np.int32]]:
    """The bars among the connected components of a mask, and the image (H, W) of their labels."""
    _, labels, statistics, centres = cv2.connectedComponentsWithStats(mask.view(np.uint8))
    diagonal = np.hypot(statistics[:, cv2.CC_STAT_WIDTH], statistics[:, cv2.CC_STAT_HEIGHT])
    area = statistics[:, cv2.CC_STAT_AREA].astype(np.float64)
    suitable = (diagonal >= SHORTEST_TICK * scale) & (diagonal <= LONGEST_TICK * scale)
    suitable &= area >= 8.0 * max(scale, 0.5) ** 2
    suitable[0] = False  # the background
    label = np.flatnonzero(suitable)
    number = np.full(len(suitable), -1)
    number[label] = np.arange(len(label))

    pixel = np.flatnonzero(mask)
    bar = number[labels.ravel()[pixel]]
    pixel, bar = pixel[bar >= 0], bar[bar >= 0]
    y, x = np.divmod(pixel, mask.shape[1])
    x_off, y_off = x - centres[label][bar, 0], y - centres[label][bar, 1]

    def mean(values: NDArray[np.generic]) -> FloatArray:
        return np.bincount(bar, weights=values, minlength=len(label)) / area[label]

    # A rectangle of length l has a variance of l² / 12 along its axis.
    xx, yy, xy = mean(x_off**2), mean(y_off**2), mean(x_off * y_off)
    spread = np.hypot((xx - yy) / 2, xy)
    length = np.sqrt(12 * ((xx + yy) / 2 + spread) + 1)
    breadth = np.maximum(np.sqrt(12 * np.maximum((xx + yy) / 2 - spread, 0.0)), 1.0)
    straight = (length >= 2.5 * breadth) & (breadth <= BROADEST_TICK * max(scale, 0.5))
    bars = _Bars(
        label=label[straight],
        centre=centres[label][straight],
        angle=(0.5 * np.arctan2(2 * xy, xx - yy))[straight],
        breadth=breadth[straight],
        depth=mean(depth.ravel()[pixel])[straight],
    )
    return bars, np.asarray(labels, dtype=np.int32)


def _seen_from(bars: _Bars, one: int) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """All bars relative to one: offset across and along it, angle, ratio of breadths (from 1)."""
    x, y = (bars.centre - bars.centre[one]).T
    cosine, sine = np.cos(bars.angle[one]), np.sin(bars.angle[one])
    turned = np.abs((bars.angle - bars.angle[one] + np.pi / 2) % np.pi - np.pi / 2)
    ratio = np.maximum(bars.breadth / bars.breadth[one], bars.breadth[one] / bars.breadth)
    return y * cosine - x * sine, x * cosine + y * sine, turned, ratio


def _in_a_series(bars: _Bars, scale: float) -> Mask:
    """Bars beside two others, one before and one behind at equal distances."""
    tick = np.zeros(len(bars.label), dtype=bool)
    for one in range(len(tick)):
        across, along, turned, ratio = _seen_from(bars, one)
        distance = np.abs(across)
        beside = (turned <= np.radians(6)) & (ratio <= 2.2)
        beside &= (distance >= NEAREST * scale) & (distance <= FARTHEST * scale)
        beside &= np.abs(along) <= 0.9 * distance + 3 * scale
        others = np.flatnonzero(beside)
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
    tick = np.zeros(len(bars.label), dtype=bool)
    for one in np.flatnonzero(possible):
        across, along, turned, ratio = _seen_from(bars, int(one))
        step = np.abs(across)
        beside = possible & (corner == corner[one]) & (turned <= np.radians(4)) & (ratio <= 1.35)
        beside &= (step >= 25 * scale) & (step <= 60 * scale)
        beside &= np.abs(along) <= 0.8 * step + 10 * scale
        tick[one] |= beside.any()
    return tick
