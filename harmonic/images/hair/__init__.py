"""Hair removal: find hair in a dermoscopy photograph, then paint skin over it.

`hair_mask` finds, `remove_hair` finds and fills; METHODS is the table of ways to do so. The mask
decides the quality: on known masks, filling methods hardly differ.
"""

from collections.abc import Callable

import cv2
import numpy as np

from harmonic.errors import InputError
from harmonic.images.hair.classic import dullrazor_mask, fill_by_luv_closing, luv_closing_mask
from harmonic.images.hair.directional import directional_mask
from harmonic.images.hair.morphology import Image, Mask, disc


def inpaint(image: Image, mask: Mask, reach: int | None = None) -> Image:
    """Fill a hair mask, bool (H, W), from its surroundings: Telea's fast marching method (2004).

    The mask is dilated first by `reach` pixels (2 in an image 600 wide), because the rim of a hair,
    blurred by the lens, is darker than skin too. Pixels outside the dilated mask keep their values.
    """
    if reach is None:
        reach = max(1, round(2 * image.shape[1] / 600))
    wide = cv2.dilate(mask.view(np.uint8), disc(2 * reach + 1))
    return np.asarray(cv2.inpaint(image, wide, 1.0, cv2.INPAINT_TELEA), dtype=np.uint8)


def no_mask(image: Image) -> Mask:
    """Find nothing: the control of every comparison."""
    return np.zeros(image.shape[:2], dtype=bool)


METHODS: dict[str, tuple[Callable[[Image], Mask], Callable[[Image, Mask], Image]]] = {
    "none": (no_mask, inpaint),
    "luv-closing": (luv_closing_mask, fill_by_luv_closing),
    "dullrazor": (dullrazor_mask, inpaint),
    "directional": (directional_mask, inpaint),
}
"""How hair is found, and how what was found is filled."""
DEFAULT_METHOD = "directional"
LONGEST_SIDE, LARGEST_RATIO = 1000, 10
"""Lengths scale with the width; in a long strip they would say nothing, and take for ever."""
ENOUGH = 600
"""Longest side in pixels at which hair is well seen; what is twice as long or longer is reduced."""


def hair_mask(image: Image, method: str = DEFAULT_METHOD) -> Mask:
    """Find the hair in an image, uint8 (H, W, 3), RGB: bool (H, W), true on hair, undilated.

    In an image of 1,200 pixels or more it is found at a half, a third … of the resolution: time
    would grow with the cube of the side, and hair does not.

    Raises InputError for a method that is not in METHODS, and for an array of another kind.
    """
    if method not in METHODS:
        raise InputError(f"hair removal method {method!r}; allowed are {', '.join(METHODS)}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise InputError(
            f"hair removal of an array of shape {image.shape} and type {image.dtype}; "
            "only uint8 (H, W, 3) is allowed"
        )
    height, width = image.shape[:2]
    if max(height, width) > max(LONGEST_SIDE, LARGEST_RATIO * min(height, width)):
        raise InputError(
            f"hair removal of an image of {width} x {height} pixels; "
            f"beyond {LONGEST_SIDE} pixels one side may be {LARGEST_RATIO} times the other at most"
        )
    find, _ = METHODS[method]
    factor = max(height, width) // ENOUGH
    if factor < 2:
        return find(np.ascontiguousarray(image))
    reduced = (width // factor, height // factor)
    small = cv2.resize(image, reduced, interpolation=cv2.INTER_AREA)
    mask = find(np.asarray(small, dtype=np.uint8))
    whole = cv2.resize(mask.view(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST)
    return np.asarray(whole.view(np.bool_))


def remove_hair(image: Image, method: str = DEFAULT_METHOD) -> Image:
    """Replace the hair in an image, uint8 (H, W, 3), RGB, by what surrounds it.

    Where no hair is found the very array that was given comes back, else a new one.
    Raises InputError as hair_mask does.
    """
    mask = hair_mask(image, method)
    if not mask.any():
        return image
    _, fill = METHODS[method]
    return fill(np.ascontiguousarray(image), mask)
