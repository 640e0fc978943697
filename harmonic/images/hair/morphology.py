"""The shapes that images are opened and closed with, and the connected pieces of what is found.

Lengths are in pixels of an image 600 wide and scale with the image: `scale` is its width over 600.
"""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Pieces:
    """n pieces, which hold m of the pixels that were listed."""

    member: IntArray  # (m,): the places in the list of the pixels that are in a piece
    label: IntArray  # (m,): the piece, 0 to n - 1, of each of them
    area: FloatArray  # (n,): the number of pixels
    width: IntArray  # (n,): of the bounding box, in pixels
    height: IntArray  # (n,)
    from_border: IntArray  # (n,): pixels between the bounding box and the nearest border

    @property
    def length(self) -> FloatArray:
        """(n,): the diagonal of the bounding box, between pixel centres, and one."""
        return np.asarray(np.hypot(self.width - 1, self.height - 1) + 1.0)

    def mean(self, values: NDArray[np.generic]) -> FloatArray:
        """(n,): the mean over each piece of values (m,)."""
        return np.asarray(np.bincount(self.label, values, len(self.area)) / self.area)


def connected_pieces(shape: tuple[int, ...], pixel: IntArray, least_area: float) -> Pieces:
    """The pieces, with diagonal neighbours, of a mask given as a list of its pixels.

    `pixel` lists places in the flattened image of the given shape (H, W). Areas, boxes and means
    are taken over these alone: `cv2.connectedComponentsWithStats` goes through the whole image once
    more, in four times the time.
    """
    mask = np.zeros(shape, dtype=np.uint8)
    mask.ravel()[pixel] = 1
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    label = labels.ravel()[pixel]
    area = np.bincount(label, minlength=count)
    large = area >= max(least_area, 1.0)  # label 0, the background, has none of the pixels
    member = np.flatnonzero(large[label])
    label = (np.cumsum(large) - 1)[label[member]]
    y, x = np.divmod(pixel[member], shape[1])
    area = area[large]
    left, top = np.full((2, len(area)), max(shape))
    right, bottom = np.zeros((2, len(area)), dtype=np.int64)
    np.minimum.at(left, label, x)
    np.maximum.at(right, label, x)
    np.minimum.at(top, label, y)
    np.maximum.at(bottom, label, y)
    return Pieces(
        member,
        label,
        area.astype(np.float64),
        width=right - left + 1,
        height=bottom - top + 1,
        from_border=np.minimum.reduce([left, top, shape[1] - 1 - right, shape[0] - 1 - bottom]),
    )
