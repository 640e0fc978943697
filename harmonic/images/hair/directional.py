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

OpenCV does the work, over a hundred times faster than scikit-image. Lengths are in pixels of an
image 600 wide and scale with the image.
"""

from typing import NamedTuple

import cv2
import numpy as np

from harmonic.images.hair.morphology import (
    DIRECTIONS,
    FloatArray,
    Image,
    IntArray,
    Mask,
    connected_pieces,
    disc,
    halved,
    line,
    odd,
)
from harmonic.images.hair.not_hair import around_glare, ruler_ticks

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
SENSOR_NOISE = 6.0  # grey levels, added to the texture
LARGEST_GLARE_SHARE = 0.2
"""Of a piece's pixels, how many may lie around glints, unless it is strong beyond doubt."""
BEYOND_DOUBT = 10.0
"""In multiples of the least strength."""
BROADEST_PIECE = 10.0
STEEPEST = 0.05  # share of the contrast that the ground may rise across a piece, a pixel
AT_THE_BORDER = 2.0  # factor on the strength of a piece that the border of the image cuts short


class Least(NamedTuple):
    """What a piece of line has to have to be hair."""

    strength: float
    length: float


# Dark hair is looked for in red light, which blood and the pigment network hardly absorb. There
# brown hair over a dull skin or a lesion can be as bright as what is around. It is darker in blue,
# or lighter in green, as light hair is; more else is too, so those lines have to be longer.
IN_RED = Least(strength=150.0, length=10.0)
IN_BLUE = Least(strength=250.0, length=20.0)
IN_GREEN = Least(strength=320.0, length=20.0)


def directional_mask(image: Image) -> Mask:
    """Find dark and light hair in uint8 (H, W, 3), RGB: bool (H, W), undilated."""
    scale = image.shape[1] / 600.0
    red, green, blue = (np.ascontiguousarray(image[..., channel]) for channel in range(3))
    surroundings = _surroundings(red, scale)
    candidate = _candidates(red, surroundings, scale)
    ticks = ruler_ticks(candidate, surroundings - red, scale)
    glare = around_glare(image, scale)
    dark = _hair_among(candidate & ~ticks, glare, red, surroundings, IN_RED, scale)

    # Green and blue make up for what red lacks: at half the resolution that takes a quarter of the
    # time. JPEG stores colours no finer. In a small image a hair would get lost.
    if scale > 0.5:
        known = halved((dark | ticks).view(np.uint8) * 255) > 0
        glare = halved(glare.view(np.uint8) * 255) > 0
        more = _brown_and_light_hair(halved(green), halved(blue), known, glare, scale / 2)
        more = more.repeat(2, axis=0).repeat(2, axis=1)[: red.shape[0], : red.shape[1]]
    else:
        more = _brown_and_light_hair(green, blue, dark | ticks, glare, scale)
    return np.asarray(dark | (more & ~ticks))


def _brown_and_light_hair(
    green: Image, blue: Image, known: Mask, glare: Mask, scale: float
) -> Mask:
    """The hair that is dark in blue or light in green, beside what is known to be dark."""
    surroundings = _surroundings(blue, scale)
    candidate = _candidates(blue, surroundings, scale) & ~known
    brown = _hair_among(candidate, glare, blue, surroundings, IN_BLUE, scale)

    skin = _without(known | brown, green, scale)
    negative = 255 - skin
    surroundings = _surroundings(negative, scale)
    # The skin seen between dark hairs, or in the holes of a pigment network, is a light line too,
    # but it is not lighter than the skin around.
    side = odd(TEXTURE_WINDOW * scale, least=1)
    lighter = cv2.subtract(skin, cv2.blur(skin, (side, side))) >= LEAST_DEPTH
    candidate = _candidates(negative, surroundings, scale) & lighter
    return brown | _hair_among(candidate, glare, negative, surroundings, IN_GREEN, scale)


def _without(dark: Mask, grey: Image, scale: float) -> Image:
    """A grey image with what is dark flattened: there, and on its rim, the closing by a square."""
    side = odd(ACROSS_LENGTH * scale)
    square = np.ones((side, side), dtype=np.uint8)
    rim = cv2.dilate(dark.view(np.uint8), np.ones((3, 3), dtype=np.uint8), iterations=2)
    return np.where(rim > 0, cv2.morphologyEx(grey, cv2.MORPH_CLOSE, square), grey)


def _surroundings(grey: Image, scale: float) -> Image:
    """The skin on both sides of each pixel: the largest of the closings along lines.

    A closing along a line fills every dark structure that is shorter than the line in that
    direction (Soille, "Morphological Image Analysis", ch. 8): across a hair it gives the skin.
    """
    length = max(5, round(ACROSS_LENGTH * scale))
    largest = np.zeros_like(grey)
    for direction in range(DIRECTIONS):
        closed = cv2.morphologyEx(grey, cv2.MORPH_CLOSE, line(length, direction))
        cv2.max(largest, closed, dst=largest)
    return largest


def _candidates(grey: Image, surroundings: Image, scale: float) -> Mask:
    """Pixels of some depth within the half-maximum of a narrow dark cross-section.

    Depth is how far a pixel lies below its surroundings. The half-maximum puts the edge of the mask
    at the edge of the hair. The rim of a dark patch looks narrow to a line, as short chords cross
    it; but a disc as wide as the line is long fits into the patch, and into no hair.
    """
    depth = cv2.subtract(surroundings, grey)
    side = odd(NEIGHBOURHOOD * scale)
    deepest = cv2.dilate(depth, np.ones((side, side), dtype=np.uint8))
    beside = cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, disc(odd(ACROSS_LENGTH * scale, least=5)))
    narrow = (cv2.add(depth, depth) >= deepest) & (cv2.add(beside, beside) >= depth)
    return np.asarray(narrow & (depth >= LEAST_DEPTH))


def _hair_among(
    candidate: Mask, glare: Mask, grey: Image, surroundings: Image, least: Least, scale: float
) -> Mask:
    """Of the candidates, bool (H, W), those in pieces of line with the strength of hair.

    What lies around glints is no hair, unless it goes on far beyond or is strong beyond doubt.

    The surroundings less the closing along a line are the depth of what is long in its direction
    and narrow in another. For it dark structures are widened by a pixel on each side, lest a thin
    hair be missed that runs between two directions or bends.
    """
    shortest = max(least.length * scale, 5.0)
    least_area = shortest / np.sqrt(2)  # of a piece whose bounding box has that diagonal
    hair = np.zeros(grey.shape, dtype=bool)
    # What follows concerns the candidates alone; no part of a speck is long enough.
    pixel = np.flatnonzero(candidate)
    patch = connected_pieces(grey.shape, pixel, least_area)
    pixel = pixel[patch.member][(patch.length >= shortest)[patch.label]]
    if not len(pixel):
        return hair
    skin = surroundings.ravel()[pixel]
    depth = skin - grey.ravel()[pixel]
    least_line_depth = np.ceil(LINE_SHARE * depth).astype(np.uint8)
    texture = _texture(surroundings - grey, pixel, scale)
    slope_x, slope_y = _slopes(grey, pixel, scale)
    shining = glare.ravel()[pixel]
    widened = cv2.erode(grey, cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)))
    length = max(9, round(ALONG_LENGTH * scale))
    for direction in range(DIRECTIONS):
        closed = cv2.morphologyEx(widened, cv2.MORPH_CLOSE, line(length, direction))
        line_depth = skin - np.minimum(closed.ravel()[pixel], skin)
        on_line = np.flatnonzero(line_depth >= least_line_depth)
        piece = connected_pieces(grey.shape, pixel[on_line], least_area)
        there = on_line[piece.member]
        contrast = piece.mean(line_depth[there])
        strength = piece.length**2 / piece.area
        strength *= (contrast / (piece.mean(texture[there]) + SENSOR_NOISE)) ** 2
        strength[piece.from_border <= 1] *= AT_THE_BORDER
        good = strength >= least.strength
        good &= piece.length >= shortest
        in_clear_view = piece.mean(shining[there]) <= LARGEST_GLARE_SHARE
        good &= in_clear_view | (strength >= BEYOND_DOUBT * least.strength)
        good &= piece.area <= BROADEST_PIECE * max(scale, 0.5) * piece.length
        # The rim of a lesion or of a gel bubble lies along a slope; a hair only crosses it.
        angle = np.pi * direction / DIRECTIONS
        rise = slope_y[there] * np.cos(angle) - slope_x[there] * np.sin(angle)
        good &= np.abs(piece.mean(rise)) * scale <= STEEPEST * contrast
        # Faint texture that touches a hair is no part of it.
        deep = depth[there] >= 0.5 * piece.mean(depth[there])[piece.label]
        hair.ravel()[pixel[there[good[piece.label] & deep]]] = True
    return hair


def _texture(depth: Image, pixel: IntArray, scale: float) -> Image:
    """The median depth around pixels: hair hardly changes a median, a pigment network does."""
    step = 4 if scale > 0.5 else 2
    side = odd(TEXTURE_WINDOW * scale / step)
    median = cv2.medianBlur(np.ascontiguousarray(depth[::step, ::step]), side)
    y, x = np.divmod(pixel, depth.shape[1])
    return np.asarray(median[y // step, x // step], dtype=np.uint8)


def _slopes(grey: Image, pixel: IntArray, scale: float) -> tuple[FloatArray, FloatArray]:
    """How steeply the smoothed image rises to the right and downwards, in grey levels a pixel.

    At a quarter of the resolution, in 256ths of a grey level: whole numbers, for which OpenCV
    promises the same bits on every processor.
    """
    fine = halved(halved(grey)).astype(np.uint16) * 256
    smooth = cv2.GaussianBlur(fine, (0, 0), 1.5 * scale)
    y, x = np.divmod(pixel, grey.shape[1])
    right, down = (
        cv2.Sobel(smooth, cv2.CV_32F, *order)[y // 4, x // 4] / np.float64(8 * 4 * 256)
        for order in ((1, 0), (0, 1))
    )
    return right, down
