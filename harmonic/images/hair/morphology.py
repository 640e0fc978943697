"""The shapes that images are opened and closed with, and the types of what goes in and out.

Lengths are in pixels of an image 600 wide and scale with the image: `scale` is its width over 600.
"""

from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

DIRECTIONS = 16


def disc(side: int) -> Image:
    """A structuring element: the disc of that diameter, an odd number of pixels."""
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), dtype=np.uint8)


@lru_cache(maxsize=128)
def line(length: int, direction: int) -> Image:
    """A structuring element: a straight line of `length` pixels through the middle of a square.

    `direction` n of DIRECTIONS is at n / DIRECTIONS of half a turn.
    """
    size = length | 1
    middle = size // 2
    angle = np.pi * direction / DIRECTIONS
    reach = (length - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
    x, y = (round(value) for value in reach.tolist())
    element = np.zeros((size, size), dtype=np.uint8)
    cv2.line(element, (middle - x, middle - y), (middle + x, middle + y), 1)
    return element


def odd(length: float, least: int = 3) -> int:
    """The side of a square or disc in whole pixels, odd so that it has a middle."""
    return max(least, round(length) | 1)


def halved(grey: Image) -> Image:
    """The means over blocks of 2 × 2 pixels; an odd last row or column is doubled."""
    height, width = grey.shape
    even = cv2.copyMakeBorder(grey, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    half = ((width + 1) // 2, (height + 1) // 2)
    return np.asarray(cv2.resize(even, half, interpolation=cv2.INTER_AREA), dtype=np.uint8)
