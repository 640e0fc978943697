"""The project's own way to find hair: oriented closings, then a look at the shape of what is found.

Hair is a line that is much darker (or much lighter) than the skin on both sides, of even width and
long. Each step below asks for one of these properties. OpenCV does the work: an oriented closing
takes it well under a millisecond, scikit-image over a hundred times longer.

Lengths are in pixels of an image 600 wide and scale with the width of the image.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]

DIRECTIONS = 16
ACROSS_LENGTH = 13.0
"""A line of this length, laid across a hair, reaches skin on both sides."""
ALONG_LENGTH = 21.0
"""A structure has to be straight over about this length to count as a line."""
NEIGHBOURHOOD = 9.0
"""Where the deepest point of a hair's cross-section is looked for."""
SURROUNDINGS = 61.0
"""Side of the square that light hair has to be lighter than."""
SHORTEST_HAIR = 35.0
WIDEST_HAIR = 9.0
SLIMMEST = 5.0  # least ratio of length to width
CROWD_WINDOW = 45.0
MOST_CROWDED = 0.36  # share of candidates in that window, averaged over a hair
SURE_SHARE = 0.5  # of the pixels of a hair


@dataclass(frozen=True)
class Contrast:
    """Depths, in grey levels, that make a pixel a candidate or a sure sign of hair."""

    candidate: int
    sure: int


# Dark hair is looked for in red light, which blood and the pigment network hardly absorb. Light
# hair differs from skin in green and blue alone.
_DARK = Contrast(candidate=14, sure=36)
_LIGHT = Contrast(candidate=12, sure=30)
_GREEN_AND_BLUE = np.array([[0.0, 0.5, 0.5]], dtype=np.float32)


def directional_mask(image: Image) -> Mask:
    """Find dark and light hair in uint8 (H, W, 3), RGB: bool (H, W), undilated."""
    scale = image.shape[1] / 600.0
    red = np.ascontiguousarray(image[..., 0])
    dark = _dark_lines(red, _DARK, scale)

    green_and_blue = np.asarray(cv2.transform(image, _GREEN_AND_BLUE), dtype=np.uint8)
    skin = _without(dark, green_and_blue, scale)
    # The skin seen between dark hairs, or in the holes of a pigment network, is a light line too,
    # but it is not lighter than the skin around.
    side = round(SURROUNDINGS * scale) | 1
    lighter = cv2.subtract(skin, cv2.blur(skin, (side, side))) >= _LIGHT.candidate
    light = _dark_lines(255 - skin, _LIGHT, scale, within=lighter)
    return dark | light


def _without(dark: Mask, grey: Image, scale: float) -> Image:
    """A grey image with dark hair flattened: where there is some, the closing by a square."""
    side = round(ACROSS_LENGTH * scale) | 1
    square = np.ones((max(3, side), max(3, side)), dtype=np.uint8)
    rim = cv2.dilate(dark.view(np.uint8), np.ones((3, 3), dtype=np.uint8), iterations=2)
    return np.where(rim > 0, cv2.morphologyEx(grey, cv2.MORPH_CLOSE, square), grey)


def _dark_lines(grey: Image, contrast: Contrast, scale: float, within: Mask | None = None) -> Mask:
    depth, line_depth = _depths(grey, scale)
    # A candidate is dark; it lies within the half-maximum of its cross-section, which puts the
    # edge of the mask at the edge of the hair, whatever the contrast; and a part of its depth at
    # least is that of a line: dots are as deep in all directions, and drop out.
    side = max(3, round(NEIGHBOURHOOD * scale) | 1)
    deepest = cv2.dilate(depth, np.ones((side, side), dtype=np.uint8))
    candidate = (depth >= contrast.candidate) & (depth >= 0.5 * deepest)
    candidate &= line_depth >= 0.3 * depth
    # The rim of a dark patch looks like a line to the oriented closings, as short chords cross it;
    # but a disc as wide as they are long fits into the patch, and into no hair.
    disc = _disc(max(5, round(ACROSS_LENGTH * scale) | 1))
    beside = cv2.subtract(cv2.morphologyEx(grey, cv2.MORPH_CLOSE, disc), grey)
    candidate &= beside >= 0.5 * depth
    if within is not None:
        candidate &= within
    return _keep_hairs(candidate, depth, line_depth >= contrast.sure, scale)


def _depths(grey: Image, scale: float) -> tuple[Image, Image]:
    """How far each pixel lies below its surroundings, and how much of that is owed to a line.

    A closing along a line fills every dark structure that is shorter than the line in that
    direction (Soille, "Morphological Image Analysis", ch. 8; DullRazor uses three directions).
    Across a hair it gives the skin; along the hair, the hair itself. The largest closing less the
    image is the depth; the largest less the smallest is the depth of what is long in one direction
    and narrow in another. For the latter dark structures are widened by a pixel on each side, lest
    a thin hair be missed that runs between two of the directions or bends.
    """
    across_length = max(5, round(ACROSS_LENGTH * scale))
    along_length = max(9, round(ALONG_LENGTH * scale))
    largest = np.zeros_like(grey)
    smallest = np.full_like(grey, 255)
    widened = cv2.erode(grey, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    for direction in range(DIRECTIONS):
        across = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, _line(across_length, direction))
        along = cv2.morphologyEx(widened, cv2.MORPH_CLOSE, _line(along_length, direction))
        cv2.max(largest, across, dst=largest)
        cv2.min(smallest, along, dst=smallest)
    depth = np.asarray(cv2.subtract(largest, grey), dtype=np.uint8)
    line_depth = np.asarray(cv2.subtract(largest, smallest), dtype=np.uint8)
    return depth, line_depth


@lru_cache(maxsize=128)
def _line(length: int, direction: int) -> NDArray[np.uint8]:
    """A structuring element: a straight line of `length` pixels through the middle of a square."""
    size = length | 1
    middle = size // 2
    angle = np.pi * direction / DIRECTIONS
    reach = (length - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
    x, y = (round(value) for value in reach.tolist())
    element = np.zeros((size, size), dtype=np.uint8)
    cv2.line(element, (middle - x, middle - y), (middle + x, middle + y), 1)
    return element


def _disc(size: int) -> NDArray[np.uint8]:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    return np.asarray(disc, dtype=np.uint8)


def _keep_hairs(candidate: Mask, depth: Image, sure: Mask, scale: float) -> Mask:
    """Of the connected candidates keep those with the contrast and the shape of hair.

    Enough sure pixels (hysteresis, as in Canny's edge detector), and a long, thin and slim shape.
    Width and length come from the distance to the edge: over a strip of width w its mean is w / 4,
    and the length is the area over the width. A measure of the whole shape, such as a bounding
    box, would reject crossing hairs; these figures do not change where hairs cross. A pigment
    network passes all these tests; but its lines lie closer together than hairs do.
    """
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(
        candidate.view(np.uint8), connectivity=8
    )
    area = statistics[:, cv2.CC_STAT_AREA].astype(np.float64)
    flat = labels.ravel()

    def mean_of(values: NDArray[np.generic]) -> NDArray[np.float64]:
        sums = np.bincount(flat, weights=values.ravel(), minlength=count)
        return sums / np.maximum(area, 1.0)

    # OpenCV measures to the middle of the nearest outer pixel; the edge is half a pixel nearer.
    to_edge = cv2.distanceTransform(candidate.view(np.uint8), cv2.DIST_L2, 3) - 0.5
    width = np.maximum(4.0 * mean_of(to_edge), 1.0)
    length = area / width
    side = max(3, round(CROWD_WINDOW * scale) | 1)
    crowd = cv2.blur(candidate.astype(np.float32), (side, side))
    hair = mean_of(sure) >= SURE_SHARE
    hair &= mean_of(crowd) <= MOST_CROWDED
    hair &= length >= SHORTEST_HAIR * scale
    hair &= length >= SLIMMEST * width
    hair &= width <= WIDEST_HAIR * max(scale, 0.5)
    hair[0] = False  # the background
    # Faint texture that touches a hair is no part of it.
    return np.asarray(hair[labels] & (depth >= 0.5 * mean_of(depth)[labels]))
