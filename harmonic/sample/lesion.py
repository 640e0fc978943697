"""The lesion of a phantom: what is in the skin, before a camera looks at it.

A lesion is four maps over its own square of skin: melanin and blood, which absorb light, and two
layers that scatter it, white (scale, scar, cysts) and blue (the blue-white veil). The structures
of each diagnosis follow the usual dermoscopic criteria (pattern analysis), with overlaps: none
proves it, none is always there.
"""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from harmonic.sample.strands import FloatArray, Strand, bezier, rasterise

GRID = 160
"""Side of the square of maps, in map pixels."""
EXTENT = 1.6
"""Half side of the square; the typical radius of a lesion is 1."""
PIXEL = GRID / (2 * EXTENT)
"""Map pixels in a unit of length."""
MELANIN, BLOOD, WHITE, BLUE = range(4)
"""Channels of the maps: two absorbances, then two opacities."""


@dataclass(frozen=True)
class Recipe:
    """How lesions of one diagnosis are drawn: typical amounts, then chances of structures."""

    melanin: float
    blood: float
    irregularity: float  # of the border, in radii
    softness: float  # of the border, in radii
    variegation: float  # relative spread of the pigment
    network: float = 0.0
    globules: float = 0.0
    streaks: float = 0.0
    veil: float = 0.0
    scale: float = 0.0
    lacunae: float = 0.0
    white_patch: float = 0.0
    cysts: float = 0.0
    dotted_vessels: float = 0.0
    branched_vessels: float = 0.0


RECIPES = {
    "mel": Recipe(
        1.35, 0.20, 0.17, 0.09, 0.60, network=0.45, globules=0.5, streaks=0.6, veil=0.6,
        scale=0.05, white_patch=0.1, dotted_vessels=0.1, branched_vessels=0.03,
    ),
    "nv": Recipe(
        0.85, 0.15, 0.06, 0.13, 0.22, network=0.6, globules=0.3, streaks=0.05, veil=0.02,
        white_patch=0.02, cysts=0.03, dotted_vessels=0.05,
    ),
    "bcc": Recipe(
        0.12, 0.42, 0.12, 0.17, 0.50, globules=0.25, veil=0.45, scale=0.08, white_patch=0.05,
        dotted_vessels=0.05, branched_vessels=0.85,
    ),
    "akiec": Recipe(
        0.40, 0.45, 0.17, 0.14, 0.45, network=0.05, globules=0.08, veil=0.02, scale=0.85,
        dotted_vessels=0.6, branched_vessels=0.05,
    ),
    "bkl": Recipe(
        0.62, 0.05, 0.12, 0.05, 0.30, network=0.12, globules=0.2, veil=0.04, scale=0.15,
        cysts=0.85, dotted_vessels=0.05,
    ),
    "df": Recipe(
        0.50, 0.22, 0.06, 0.24, 0.20, network=0.4, globules=0.05, scale=0.04, white_patch=0.88,
        dotted_vessels=0.1,
    ),
    "vasc": Recipe(
        0.12, 1.05, 0.09, 0.08, 0.40, veil=0.3, lacunae=0.85, scale=0.06, white_patch=0.05,
        branched_vessels=0.05,
    ),
}  # fmt: skip
"""The recipe of each diagnosis, keyed by HAM10000's dx."""


def draw_lesion(dx: str, rng: np.random.Generator) -> FloatArray:
    """Draw the maps (GRID, GRID, 4) of one lesion of diagnosis `dx`, a key of RECIPES."""
    recipe = RECIPES[dx]
    inside, depth, angle = _outline(recipe, rng)
    texture = smooth_noise(rng, (GRID, GRID), cells=5) + 0.5 * smooth_noise(rng, (GRID, GRID), 11)
    variegation = recipe.variegation * rng.lognormal(0.0, 0.35)
    uneven = np.exp(variegation * texture)

    melanin = recipe.melanin * rng.lognormal(0.0, 0.30) * inside * uneven
    blood = recipe.blood * rng.lognormal(0.0, 0.30) * inside
    white, blue = np.zeros((2, GRID, GRID))

    def shows(chance: float) -> bool:
        return bool(rng.random() < chance)

    if shows(recipe.network):
        meshes = _network(rng)
        at_rim = np.clip(1.3 - depth, 0.3, 1.0)
        melanin *= 1.0 + rng.uniform(0.4, 0.9) * (meshes - 0.4) * at_rim
    if shows(recipe.streaks):
        melanin += rng.uniform(0.5, 1.1) * _streaks(depth, angle, rng)
    if shows(recipe.globules):
        globules = _discs(rng, (8, 45), (0.025, 0.07)) * inside
        melanin += rng.uniform(0.4, 1.2) * globules
    if shows(recipe.lacunae):
        lakes = _discs(rng, (6, 25), (0.08, 0.26)) * inside
        blood += rng.uniform(0.6, 1.4) * lakes
        melanin += rng.uniform(0.0, 0.8) * lakes
    if shows(recipe.dotted_vessels):
        blood += 0.9 * _discs(rng, (25, 90), (0.02, 0.035)) * inside
    if shows(recipe.branched_vessels):
        tree = _vessel_tree(rng)
        blood += rng.uniform(0.7, 1.3) * tree * np.clip(inside + 0.3, 0.0, 1.0)
    if shows(recipe.white_patch):
        white += rng.uniform(0.3, 0.65) * _blob(rng, 0.12, 0.45) * inside
    if shows(recipe.cysts):
        white += 0.6 * _discs(rng, (10, 35), (0.035, 0.07)) * inside
    if shows(recipe.scale):
        flakes = smooth_noise(rng, (GRID, GRID), 16) + smooth_noise(rng, (GRID, GRID), 40)
        dense = np.clip(flakes + 0.7 * texture - 0.3, 0.0, 1.2)
        white += rng.uniform(0.35, 0.65) * dense * inside
    if shows(recipe.veil):
        blue += rng.uniform(0.35, 0.75) * _blob(rng, 0.45, 0.45) * inside
    opacities = np.clip([white, blue], 0.0, 0.95)
    return np.stack([melanin, blood, *opacities], axis=-1)


def smooth_noise(rng: np.random.Generator, shape: tuple[int, int], cells: int) -> FloatArray:
    """Smooth noise (H, W) of mean 0 and spread about 0.7, with `cells` bumps along each side."""
    coarse = rng.standard_normal((cells, cells))
    smooth = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(smooth, dtype=np.float64)


def _discs(
    rng: np.random.Generator, counts: tuple[int, int], radii: tuple[float, float]
) -> FloatArray:
    """Soft round spots, 0 to 1, scattered over a lesion; radii are in lesion radii."""
    fine = np.zeros((GRID, GRID), dtype=np.uint8)
    count = int(rng.integers(*counts))
    centres = (rng.normal(0.0, 0.5, size=(count, 2)) + EXTENT) * PIXEL
    sizes = rng.uniform(*radii, size=count) * PIXEL
    for (x, y), radius in zip(np.round(centres * 16), np.round(sizes * 16), strict=True):
        cv2.circle(fine, (int(x), int(y)), int(radius), 255, -1, cv2.LINE_AA, shift=4)
    return np.asarray(cv2.GaussianBlur(fine / 255.0, (0, 0), 0.8), dtype=np.float64)


@cache
def _plane() -> tuple[FloatArray, FloatArray, FloatArray]:
    """Complex plane coordinates of the map pixels: x, y and angle."""
    axis = (np.arange(GRID) + 0.5) / GRID * 2 * EXTENT - EXTENT
    x, y = np.meshgrid(axis, axis)
    return x, y, np.arctan2(y, x)


def _outline(recipe: Recipe, rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """How far a point belongs to the lesion (0 to 1), its depth below the border, its angle."""
    x, y, angle = _plane()
    stretch = float(np.clip(rng.lognormal(0.0, 0.12), 0.8, 1.25))
    order = np.arange(2, 9)
    amplitude = recipe.irregularity * rng.lognormal(0.0, 0.35) * rng.normal(size=7) / order**0.7
    phase = rng.uniform(0.0, 2.0 * np.pi, size=7)
    turn = np.linspace(-np.pi, np.pi, 361)
    around = (amplitude[:, None] * np.cos(order[:, None] * turn + phase[:, None])).sum(axis=0)
    border = 1.0 + 0.3 * np.tanh(np.interp(angle, turn, around) / 0.3)
    ragged = smooth_noise(rng, (GRID, GRID), 14) + 0.4 * smooth_noise(rng, (GRID, GRID), 34)
    border += recipe.irregularity * 0.5 * ragged
    depth = border - np.sqrt((x * stretch) ** 2 + (y / stretch) ** 2)
    softness = recipe.softness * rng.lognormal(0.0, 0.4)
    inside = 0.5 + 0.5 * np.tanh(depth / softness)
    # Nothing may reach the edge of the square, where the map ends.
    fade = np.clip((EXTENT - np.maximum(np.abs(x), np.abs(y))) / 0.15, 0.0, 1.0)
    return inside * fade, depth, angle


def _network(rng: np.random.Generator) -> FloatArray:
    """A pigment network, 0 (hole) to 1 (line): a hexagonal wave on bent coordinates."""
    x, y, _ = _plane()
    bend = rng.uniform(0.05, 0.14)
    x = x + bend * smooth_noise(rng, (GRID, GRID), cells=6)
    y = y + bend * smooth_noise(rng, (GRID, GRID), cells=6)
    frequency = 2 * np.pi * rng.uniform(4.5, 7.5)
    turn = rng.uniform(0.0, np.pi / 3)
    wave = sum(
        np.cos(frequency * (x * np.cos(turn + a) + y * np.sin(turn + a)))
        for a in (0.0, np.pi / 3, 2 * np.pi / 3)
    )
    return np.clip((1.2 - wave) / 2.0, 0.0, 1.0)


def _streaks(depth: FloatArray, angle: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Radial streaks that leave the border over a part of the circumference, 0 to 1."""
    number = int(rng.integers(14, 30))
    wobble = 2.0 * smooth_noise(rng, (GRID, GRID), cells=6)
    comb = np.clip(np.cos(number * angle + wobble), 0.0, 1.0) ** 2
    part = 0.5 + 0.5 * np.cos(angle - rng.uniform(-np.pi, np.pi))
    return comb * part * np.exp(-((depth / 0.16) ** 2))


def _blob(rng: np.random.Generator, shift: float, size: float) -> FloatArray:
    """One soft patch, 0 to 1, off centre by about `shift` radii and about `size` radii wide."""
    x, y, _ = _plane()
    cx, cy = rng.normal(0.0, shift, size=2)
    width = size * rng.uniform(0.7, 1.3)
    ragged = 1.0 + 0.35 * smooth_noise(rng, (GRID, GRID), cells=7)
    return np.exp(-((((x - cx) ** 2 + (y - cy) ** 2) / width**2 * ragged) ** 2))


def _vessel_tree(rng: np.random.Generator) -> FloatArray:
    """Arborising vessels, 0 to 1: trunks that run in from the border and fork into thinner ones."""
    vessels: list[Strand] = []
    for _ in range(int(rng.integers(2, 5))):
        bearing = rng.uniform(0.0, 2.0 * np.pi)
        root = np.array([np.cos(bearing), np.sin(bearing)]) * rng.uniform(0.7, 1.05)
        vessels += _fork(rng, root, bearing + np.pi + rng.normal(0.0, 0.4), 0.9, 0.07)
    tree = rasterise(vessels, (GRID, GRID))[..., 0]
    return np.asarray(cv2.GaussianBlur(tree, (0, 0), 0.6), dtype=np.float64)


def _fork(
    rng: np.random.Generator, root: FloatArray, bearing: float, length: float, width: float
) -> list[Strand]:
    along = np.array([np.cos(bearing), np.sin(bearing)])
    across = np.array([-along[1], along[0]])
    steps = np.arange(4)[:, None] / 3.0 * length
    control = root + along * steps + across * rng.normal(0.0, 0.12 * length, size=(4, 1))
    control[0] = root
    path = bezier(control, samples=12)
    taper = np.linspace(width, 0.55 * width, len(path))
    vessels = [Strand((path + EXTENT) * PIXEL, taper * PIXEL)]
    if width > 0.03:
        for side in (-1.0, 1.0):
            start = path[int(rng.integers(4, 11))]
            turn = bearing + side * rng.uniform(0.4, 1.0)
            vessels += _fork(rng, start, turn, 0.6 * length, 0.6 * width)
    return vessels
