"""Connected pieces of a mask that is given as a list of its pixels.

`cv2.connectedComponents` labels them; areas, boxes and means are taken over the listed pixels
alone. `cv2.connectedComponentsWithStats` goes through the whole image once more, in four times the
time, and its boxes and means are not those of other values.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from harmonic.images.hair.morphology import FloatArray, IntArray


@dataclass(frozen=True)
class Pieces:
    """n pieces, which hold m of the pixels that were listed."""

    member: IntArray
    """(m,): the places in the list of the pixels that are in a piece."""
    label: IntArray
    """(m,): the piece, 0 to n - 1, of each of them."""
    area: FloatArray
    """(n,): the number of pixels."""
    width: IntArray
    height: IntArray
    """(n,): sides of the bounding box, in pixels."""
    from_border: IntArray
    """(n,): pixels between the bounding box and the nearest border of the image."""

    @property
    def length(self) -> FloatArray:
        """(n,): the diagonal of the bounding box, between pixel centres, and one."""
        return np.asarray(np.hypot(self.width - 1, self.height - 1) + 1.0)

    def mean(self, values: NDArray[np.generic]) -> FloatArray:
        """(n,): the mean over each piece of values (m,)."""
        return np.asarray(np.bincount(self.label, values, len(self.area)) / self.area)


def connected_pieces(shape: tuple[int, ...], pixel: IntArray, least_area: float) -> Pieces:
    """The pieces, with diagonal neighbours, that have at least that area.

    `pixel` lists places in the flattened image of the given shape (H, W).
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
