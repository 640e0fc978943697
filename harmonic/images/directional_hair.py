"""The project's own way to find hair: oriented closings, then one figure for each piece of line.

Hair is a line that is darker (or lighter) than the skin on both sides, narrow, and long in one
direction at a time. So lines are looked for in each of sixteen directions apart. There a hair is
one long piece, even where it crosses another or runs over a pigment network, whose meshes fall into
short pieces. A piece is hair if its *strength* is high enough:

    strength = elongation × (contrast / (texture + 6 grey levels))²

elongation being length over breadth, contrast how far the piece lies below its surroundings as a
line, and texture how far a typical pixel around does. Short pieces have to stand out, faint ones
have to be long. The exponents are those that a logistic regression found between pieces of drawn
hair and of hairless skin, rounded.

OpenCV does the work: an oriented closing takes it well under a millisecond, scikit-image over a
hundred times longer. Lengths are in pixels of an image 600 wide and scale with the image.
"""

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from harmonic.images.ruler import ruler_ticks

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]
FloatArray = NDArray[np.float64]

DIRECTIONS = 16
ACROSS_LENGTH = 13.0
"""A line of this length, laid across a hair, reaches skin on both sides."""
ALONG_LENGTH = 21.0
"""A structure has to be straight over about this length to count as a line."""
LINE_SHARE = 0.6
"""Least part of a pixel's depth that the line in its direction has to explain."""
NEIGHBOURHOOD = 9.0
"""Where the deepest point of a hair's cross-section is looked for."""
TEXTURE_WINDOW = 61.0
"""Side of the square in which the median depth stands for the texture."""
LEAST_DEPTH = 10
"""In grey levels; what is fainter is no candidate."""
LEAST_STRENGTH = 120.0
SENSOR_NOISE = 6.0  # grey levels, added to the texture
SHORTEST_DARK, SHORTEST_LIGHT = 10.0, 20.0
BROADEST_PIECE = 10.0
STEEPEST = 0.05  # share of the contrast that the ground may rise across a piece, a pixel
AT_THE_BORDER = 2.0  # factor on the strength of a piece that the border of the image cuts short


# Dark hair is looked for in red light, which blood and the pigment network hardly absorb. Light
# hair differs from skin in green and blue alone; gaps between dark things look like short bits.
_GREEN_AND_BLUE = np.array([[0.0, 0.5, 0.5]], dtype=np.float32)


def directional_mask(image: Image) -> Mask:
    """Find dark and light hair in uint8 (H, W, 3), RGB: bool (H, W), undilated."""
    scale = image.shape[1] / 600.0
    red = np.ascontiguousarray(image[..., 0])
    depth, line_depths = _depths(red, scale)
    candidate = _candidates(red, depth, scale) & (depth >= LEAST_DEPTH)
    ticks = ruler_ticks(candidate, depth, scale)
    dark = _hair_among(candidate & ~ticks, red, depth, line_depths, SHORTEST_DARK, scale)

    green_and_blue = np.asarray(cv2.transform(image, _GREEN_AND_BLUE), dtype=np.uint8)
    skin = _without(dark | ticks, green_and_blue, scale)
    negative = 255 - skin
    depth, line_depths = _depths(negative, scale)
    candidate = _candidates(negative, depth, scale) & (depth >= LEAST_DEPTH)
    # The skin seen between dark hairs, or in the holes of a pigment network, is a light line too,
    # but it is not lighter than the skin around.
    side = round(TEXTURE_WINDOW * scale) | 1
    candidate &= cv2.subtract(skin, cv2.blur(skin, (side, side))) >= LEAST_DEPTH
    light = _hair_among(candidate, negative, depth, line_depths, SHORTEST_LIGHT, scale)
    return dark | light


def _without(dark: Mask, grey: Image, scale: float) -> Image:
    """A grey image with what is dark flattened: there, and on its rim, the closing by a square."""
    side = max(3, round(ACROSS_LENGTH * scale) | 1)
    square = np.ones((side, side), dtype=np.uint8)
    rim = cv2.dilate(dark.view(np.uint8), np.ones((3, 3), dtype=np.uint8), iterations=2)
    return np.where(rim > 0, cv2.morphologyEx(grey, cv2.MORPH_CLOSE, square), grey)


def _hair_among(
    candidate: Mask,
    grey: Image,
    depth: Image,
    line_depths: list[Image],
    shortest: float,
    scale: float,
) -> Mask:
    """Of the candidates, bool (H, W), those in pieces of line with the strength of hair."""
    shortest = max(shortest * scale, 5.0)
    # What follows concerns the candidates alone; no part of a speck is long enough.
    pixel = np.flatnonzero(_without_specks(candidate, shortest))
    depth_there = depth.ravel()[pixel]
    texture = _texture(depth, scale).ravel()[pixel]
    slope_x, slope_y = (slope.ravel()[pixel] for slope in _slopes(grey, scale))
    hair = np.zeros(grey.shape, dtype=bool)
    for direction, line_depth in enumerate(line_depths):
        line_there = line_depth.ravel()[pixel]
        member = line_there >= LINE_SHARE * depth_there
        if not member.any():
            continue
        piece = _pieces(grey.shape, pixel[member])
        contrast = piece.mean(line_there[member])
        strength = piece.length**2 / piece.area
        strength *= (contrast / (piece.mean(texture[member]) + SENSOR_NOISE)) ** 2
        strength[piece.at_the_border] *= AT_THE_BORDER
        good = strength >= LEAST_STRENGTH
        good &= piece.length >= shortest
        good &= piece.area <= BROADEST_PIECE * max(scale, 0.5) * piece.length
        # The rim of a lesion or of a gel bubble lies along a slope; a hair only crosses it.
        angle = np.pi * direction / DIRECTIONS
        rise = (slope_y * np.cos(angle) - slope_x * np.sin(angle))[member]
        good &= np.abs(piece.mean(rise)) * scale <= STEEPEST * contrast
        # Faint texture that touches a hair is no part of it.
        deep = depth_there[member] >= 0.5 * piece.mean(depth_there[member])[piece.label]
        hair.ravel()[pixel[member][good[piece.label] & deep]] = True
    return hair


def _without_specks(mask: Mask, shortest: float) -> Mask:
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    wide, high = statistics[:, cv2.CC_STAT_WIDTH], statistics[:, cv2.CC_STAT_HEIGHT]
    long = np.hypot(wide - 1, high - 1) + 1.0 >= shortest
    long[0] = False  # the background
    return np.asarray(long[labels])


@dataclass(frozen=True)
class _Pieces:
    """The n connected pieces of the lines in one direction."""

    label: NDArray[np.int64]  # 0 to n - 1, of each pixel given to _pieces
    area: FloatArray
    length: FloatArray  # diagonal of the bounding box: the pieces are nearly straight
    at_the_border: Mask

    def mean(self, values: NDArray[np.generic]) -> FloatArray:
        sums = np.bincount(self.label, weights=values, minlength=len(self.area))
        return np.asarray(sums / self.area)


def _pieces(shape: tuple[int, ...], pixel: NDArray[np.int64]) -> _Pieces:
    mask = np.zeros(shape, dtype=np.uint8)
    mask.ravel()[pixel] = 1
    count, labels = cv2.connectedComponents(mask, connectivity=8)
    label = labels.ravel()[pixel] - 1
    # cv2.connectedComponentsWithStats would take four times as long for the same.
    order = np.argsort(label, kind="stable")
    starts = np.searchsorted(label[order], np.arange(count - 1))
    y, x = np.divmod(pixel[order], shape[1])
    left, right = np.minimum.reduceat(x, starts), np.maximum.reduceat(x, starts)
    top, bottom = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    outermost = np.minimum.reduce([left, top, shape[1] - 1 - right, shape[0] - 1 - bottom])
    return _Pieces(
        label=np.asarray(label, dtype=np.int64),
        area=np.bincount(label, minlength=count - 1).astype(np.float64),
        length=np.hypot(right - left, bottom - top) + 1.0,
        at_the_border=outermost <= 1,
    )


def _depths(grey: Image, scale: float) -> tuple[Image, list[Image]]:
    """How far each pixel lies below its surroundings, and how much of that each direction explains.

    A closing along a line fills every dark structure that is shorter than the line in that
    direction (Soille, "Morphological Image Analysis", ch. 8; DullRazor uses three directions).
    Across a hair it gives the skin; along the hair, the hair itself. The largest closing less the
    image is the depth; the largest less the closing in one direction is the depth of what is long
    in that direction and narrow in another. For the latter dark structures are widened by a pixel
    on each side, lest a thin hair be missed that runs between two directions or bends.
    """
    across_length = max(5, round(ACROSS_LENGTH * scale))
    along_length = max(9, round(ALONG_LENGTH * scale))
    widened = cv2.erode(grey, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    largest = np.zeros_like(grey)
    along = []
    for direction in range(DIRECTIONS):
        across = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, _line(across_length, direction))
        cv2.max(largest, across, dst=largest)
        along.append(cv2.morphologyEx(widened, cv2.MORPH_CLOSE, _line(along_length, direction)))
    depth = np.asarray(cv2.subtract(largest, grey), dtype=np.uint8)
    return depth, [np.asarray(cv2.subtract(largest, closed), dtype=np.uint8) for closed in along]


def _candidates(grey: Image, depth: Image, scale: float) -> Mask:
    """Pixels within the half-maximum of a narrow dark cross-section.

    That puts the edge of the mask at the edge of the hair, whatever the contrast. The rim of a dark
    patch looks narrow to a line, as short chords cross it; but a disc as wide as the line is long
    fits into the patch, and into no hair.
    """
    side = max(3, round(NEIGHBOURHOOD * scale) | 1)
    deepest = cv2.dilate(depth, np.ones((side, side), dtype=np.uint8))
    disc = _disc(max(5, round(ACROSS_LENGTH * scale) | 1))
    beside = cv2.subtract(cv2.morphologyEx(grey, cv2.MORPH_CLOSE, disc), grey)
    return np.asarray((depth >= 0.5 * deepest) & (beside >= 0.5 * depth))


def _texture(depth: Image, scale: float) -> FloatArray:
    """The median depth around each pixel: hair hardly changes a median, a pigment network does."""
    step = 4 if scale > 0.5 else 2
    side = max(3, round(TEXTURE_WINDOW * scale / step) | 1)
    median = cv2.medianBlur(np.ascontiguousarray(depth[::step, ::step]), side)
    return np.asarray(cv2.resize(median, depth.shape[::-1]))


def _slopes(grey: Image, scale: float) -> tuple[FloatArray, FloatArray]:
    """How steeply the smoothed image rises to the right and downwards, in grey levels a pixel."""
    height, width = grey.shape
    quarter = (max(width // 4, 1), max(height // 4, 1))
    small = cv2.resize(grey, quarter, interpolation=cv2.INTER_AREA).astype(np.float32)
    smooth = cv2.resize(cv2.GaussianBlur(small, (0, 0), 1.5 * scale), (width, height))
    return (
        np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)),
        np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)),
    )


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
