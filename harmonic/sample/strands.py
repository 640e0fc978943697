"""A hair simulator: curved strands drawn over any image, with the true mask of what was drawn.

Phantoms of the sample data set wear its hair, and the same hair over hairless photographs is what
hair removal is measured with. The vessels of the phantoms are strands too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

COLOURS = {
    "dark": (0.13, 0.09, 0.09),
    "brown": (0.38, 0.24, 0.17),
    "light": (0.90, 0.82, 0.70),
}
"""Reflectance (red, green, blue) of the three kinds of hair."""

DENSITIES = {"sparse": (2, 7), "medium": (8, 20), "dense": (22, 45)}
"""Fewest and most hairs in an image."""

_SUPERSAMPLING = 8
_SUBPIXEL_BITS = 4  # OpenCV draws at sixteenths of a (supersampled) pixel


@dataclass(frozen=True)
class Strand:
    """One strand: a centre line of n points and what it looks like along it."""

    path: FloatArray  # (n, 2): x and y; the pixel in the top left corner covers [0, 1] × [0, 1]
    width: FloatArray  # (n,): full width in pixels
    opacity: float = 1.0  # 0 (not to be seen) to 1 (hides what is below)
    shade: float = 1.0  # factor on the colour that the strand is painted with


def bezier(points: FloatArray, samples: int = 24) -> FloatArray:
    """Sample the cubic Bézier curve of four control points (4, 2) as a polyline (samples, 2)."""
    t = np.linspace(0.0, 1.0, samples)[:, None]
    weights = np.hstack([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
    return weights @ points


def rasterise(strands: Sequence[Strand], shape: tuple[int, int]) -> FloatArray:
    """Draw strands, their edges true to 1/16 pixel; a later strand covers an earlier one.

    Returns (H, W, 3): the share of each pixel that strands cover, the same times their opacity,
    and that times their shade, as in alpha compositing (Porter & Duff, 1984).
    """
    height, width = shape
    fine = np.zeros((height * _SUPERSAMPLING, width * _SUPERSAMPLING, 3), dtype=np.uint8)
    for strand in strands:
        values = np.array([1.0, strand.opacity, strand.opacity * strand.shade]) * 255.0
        colour = [round(value) for value in values.tolist()]
        for quad in _outline(strand):
            cv2.fillConvexPoly(fine, quad, colour, lineType=cv2.LINE_8, shift=_SUBPIXEL_BITS)
    # Averages over whole blocks of bytes: integer arithmetic, the same bits on every machine.
    averages = cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(averages, dtype=np.float64) / 255.0


def _outline(strand: Strand) -> NDArray[np.int32]:
    """The quadrilaterals (n - 1, 4, 2) between neighbouring points, in fixed-point pixels."""
    tangent = np.gradient(strand.path, axis=0)
    tangent /= np.maximum(np.hypot(tangent[:, 0], tangent[:, 1]), 1e-9)[:, None]
    normal = np.column_stack([-tangent[:, 1], tangent[:, 0]])
    # OpenCV paints every pixel that an edge passes through: half a fine pixel too far each side.
    half_width = np.maximum(strand.width * _SUPERSAMPLING / 2 - 0.5, 0.0)[:, None]
    centre = strand.path * _SUPERSAMPLING - 0.5
    left = centre + normal * half_width
    right = centre - normal * half_width
    quads = np.stack([left[:-1], left[1:], right[1:], right[:-1]], axis=1)
    return np.round(quads * 2**_SUBPIXEL_BITS).astype(np.int32)


def random_hairs(rng: np.random.Generator, shape: tuple[int, int], density: str) -> list[Strand]:
    """Hairs for an image of the given shape (H, W): most follow one direction, some come in clumps.

    Widths are those seen at 600 × 450 (1.2 to 4.5 pixels), scaled to the width of the image, but
    never below 0.9 pixel.
    """
    height, width = shape
    fewest, most = DENSITIES[density]
    main_direction = rng.uniform(0.0, 2.0 * np.pi)
    typical_width = rng.uniform(1.8, 3.6)
    hairs: list[Strand] = []
    count = int(rng.integers(fewest, most + 1))
    while len(hairs) < count:
        root = rng.uniform(-0.1, 1.1, size=2) * (width, height)
        direction = main_direction + rng.normal(0.0, 0.6)
        in_clump = int(rng.integers(2, 6)) if rng.random() < 0.2 else 1
        for _ in range(min(in_clump, count - len(hairs))):
            hair_root = root + rng.normal(0.0, 0.008 * width, size=2)
            hair_direction = direction + rng.normal(0.0, 0.15)
            hair_width = float(np.clip(typical_width * rng.lognormal(0.0, 0.25), 1.2, 4.5))
            hairs.append(_hair(rng, hair_root, hair_direction, hair_width, width))
    return hairs


def _hair(
    rng: np.random.Generator, root: FloatArray, direction: float, width_at_600: float, scale: int
) -> Strand:
    length = rng.uniform(0.2, 0.9) * scale
    along = np.array([np.cos(direction), np.sin(direction)])
    across = np.array([-along[1], along[0]])
    bend = rng.normal(0.0, 0.12, size=2) + rng.normal(0.0, 0.12)
    first = root + length * (along / 3 + across * bend[0])
    second = root + length * (along * 2 / 3 + across * bend[1])
    path = bezier(np.stack([root, first, second, root + length * along]))
    taper = 1.0 - rng.uniform(0.2, 0.75) * np.linspace(0.0, 1.0, len(path)) ** 2
    width = np.maximum(width_at_600 * scale / 600.0, 0.9) * taper
    return Strand(path, width, opacity=rng.uniform(0.6, 0.95), shade=rng.uniform(0.8, 1.2))


def paint_hairs(
    scene: FloatArray, hairs: Sequence[Strand], colour: str, rng: np.random.Generator
) -> tuple[FloatArray, NDArray[np.bool_]]:
    """Lay hairs and their soft shadow over a scene (H, W, 3) of floats from 0 to 1.

    Returns the scene with hair and the true mask: the pixels covered by a hair by half or more,
    whatever its opacity, before the lens blurs them. The shadow is no hair.
    """
    height, width = scene.shape[:2]
    layers = rasterise(hairs, (height, width))
    mask = layers[..., 0] >= 0.5

    blurred = cv2.GaussianBlur(layers, (0, 0), max(rng.uniform(0.3, 0.9) * width / 600.0, 0.2))
    opacity, shaded = blurred[..., 1:2], blurred[..., 2:3]

    offset = rng.normal(0.0, 2.5, size=2) * width / 600.0
    move = np.array([[1.0, 0.0, offset[0]], [0.0, 1.0, offset[1]]])
    shadow = cv2.warpAffine(layers[..., 1], move, (width, height))
    shadow = cv2.GaussianBlur(shadow, (0, 0), 3.0 * width / 600.0) * rng.uniform(0.0, 0.3)

    below = scene * (1.0 - shadow[..., None])
    return below * (1.0 - opacity) + np.array(COLOURS[colour]) * shaded, mask


def add_hair(
    image: NDArray[np.uint8], rng: np.random.Generator, *, density: str, colour: str
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw random hair over an image, uint8 (H, W, 3): the hairy image and the true mask (H, W).

    `density` is a key of DENSITIES and `colour` a key of COLOURS.
    """
    hairs = random_hairs(rng, (image.shape[0], image.shape[1]), density)
    scene, mask = paint_hairs(image / 255.0, hairs, colour, rng)
    return np.round(np.clip(scene, 0.0, 1.0) * 255.0).astype(np.uint8), mask
