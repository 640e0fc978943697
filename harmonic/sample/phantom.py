"""Dermoscopy phantoms: photographs of drawn lesions, for trying the pipeline without real data.

A lesion and its skin are fixed by one generator, a photograph of them by another, so that several
photographs of one lesion differ as real ones do: scale, rotation, place, light, noise and hair.
All arithmetic is in float64 and is rounded once, at the end.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from harmonic.sample.lesion import (
    BLOOD,
    BLUE,
    EXTENT,
    GRID,
    MELANIN,
    WHITE,
    draw_lesion,
    smooth_noise,
)
from harmonic.sample.strands import FloatArray, paint_hairs, random_hairs

HEIGHT, WIDTH = 150, 200
"""Size of a phantom in pixels: a third of an original of HAM10000."""
HAIRY_SHARE = 1 / 3
"""Share of the photographs with hair."""

# Absorption of red, green and blue light by a unit of pigment: melanin falls off towards red,
# blood takes green most.
_MELANIN_ABSORBS = np.array([0.42, 0.90, 1.20])
_BLOOD_ABSORBS = np.array([0.10, 0.85, 0.62])
_BARE_SKIN = np.array([0.95, 0.86, 0.80])
_WHITE_COLOUR = np.array([0.93, 0.86, 0.84])
_BLUE_COLOUR = np.array([0.34, 0.36, 0.46])


@dataclass(frozen=True)
class Phantom:
    """One photograph, and the truth about its hair: None where there is no hair."""

    image: NDArray[np.uint8]  # (H, W, 3)
    hair_mask: NDArray[np.bool_] | None  # (H, W)
    hairless: NDArray[np.uint8] | None  # (H, W, 3): the same photograph without its hair


def draw_phantom(dx: str, lesion: np.random.Generator, photograph: np.random.Generator) -> Phantom:
    """Photograph one lesion of diagnosis `dx`.

    The same `lesion` with another `photograph` is another picture of the same lesion.
    """
    maps = draw_lesion(dx, lesion)
    tone = np.array([lesion.gamma(1.6, 0.07), lesion.gamma(4.0, 0.07)])  # melanin, blood
    radius = HEIGHT * float(np.clip(lesion.lognormal(np.log(0.27), 0.28), 0.14, 0.46))

    scene = _reflect(_place(maps, radius, photograph), tone, photograph)
    expose = _lens(photograph)
    noise = photograph.normal(0.0, photograph.uniform(0.003, 0.009), size=scene.shape)

    hairy = photograph.random() < HAIRY_SHARE
    plain = _develop(expose(scene), noise)
    if not hairy:
        return Phantom(plain, None, None)
    density = str(photograph.choice(["sparse", "medium", "dense"], p=[0.5, 0.35, 0.15]))
    colour = str(photograph.choice(["dark", "brown", "light"], p=[0.6, 0.3, 0.1]))
    hairs = random_hairs(photograph, (HEIGHT, WIDTH), density)
    covered, mask = paint_hairs(scene, hairs, colour, photograph)
    return Phantom(_develop(expose(covered), noise), mask, plain)


def _place(maps: FloatArray, radius: float, rng: np.random.Generator) -> FloatArray:
    """Put the maps of a lesion into the picture: (H, W, 4)."""
    scale = radius * rng.uniform(0.8, 1.25) * (2 * EXTENT) / GRID
    turn = rng.uniform(0.0, 2.0 * np.pi)
    centre = np.array([WIDTH, HEIGHT]) * (0.5 + rng.normal(0.0, 0.05, size=2))
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    if rng.random() < 0.5:
        linear[:, 0] *= -1.0  # the skin of the phantom has no handedness to give a lesion away by
    offset = centre - linear @ np.array([GRID / 2, GRID / 2])
    placed = cv2.warpAffine(maps, np.column_stack([linear, offset]), (WIDTH, HEIGHT))
    return np.asarray(placed, dtype=np.float64)


def _reflect(placed: FloatArray, tone: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Light that comes back from skin and lesion (H, W, 3): Beer and Lambert's law and scatter."""
    shape = (HEIGHT, WIDTH)
    blotches = 0.10 * smooth_noise(rng, shape, cells=7) + 0.05 * smooth_noise(rng, shape, cells=26)
    grain = 0.06 * smooth_noise(rng, shape, cells=90)
    melanin = tone[0] + placed[..., MELANIN] + np.abs(grain)
    blood = tone[1] * np.exp(rng.uniform(0.5, 2.5) * blotches) + placed[..., BLOOD]
    if rng.random() < 0.25:
        melanin = melanin + rng.uniform(0.1, 0.35) * _freckles(rng)
    scene = np.empty((HEIGHT, WIDTH, 3))
    for channel in range(3):  # three planes are much faster than one array with a short last axis
        absorbed = melanin * _MELANIN_ABSORBS[channel] + blood * _BLOOD_ABSORBS[channel]
        light = _BARE_SKIN[channel] * np.exp(-absorbed)
        light += placed[..., BLUE] * (_BLUE_COLOUR[channel] - light)
        light += placed[..., WHITE] * (_WHITE_COLOUR[channel] - light)
        scene[..., channel] = light
    return scene


def _freckles(rng: np.random.Generator) -> FloatArray:
    spots = np.zeros((HEIGHT, WIDTH))
    count = int(rng.integers(10, 60))
    spots[rng.integers(0, HEIGHT, count), rng.integers(0, WIDTH, count)] = 1.0
    size = rng.uniform(1.5, 4.0)
    return np.asarray(cv2.GaussianBlur(spots, (0, 0), size) * (2 * np.pi * size**2))


def _lens(rng: np.random.Generator) -> Callable[[FloatArray], FloatArray]:
    """Light, white balance, vignette, blur and contrast of one photograph, applied to a scene."""
    x = ((np.arange(WIDTH) + 0.5) / WIDTH - 0.5)[None, :]
    y = ((np.arange(HEIGHT) + 0.5 - HEIGHT / 2) / WIDTH)[:, None]
    slope = rng.normal(0.0, 0.12, size=2)
    radius2 = x**2 + y**2
    light = 1.0 + slope[0] * x + slope[1] * y - rng.uniform(0.1, 0.7) * radius2
    light *= rng.uniform(0.85, 1.12)
    if rng.random() < 0.2:  # the round end of the dermatoscope comes into the picture
        edge = rng.uniform(0.46, 0.60) - np.sqrt(radius2)
        light *= np.clip(0.5 + edge / 0.03, 0.03, 1.0)
    balance = np.exp(rng.normal(0.0, 0.05, size=3) * np.array([0.6, 1.0, 1.6]))
    blur = rng.uniform(0.3, 0.7)
    contrast = rng.uniform(-0.15, 0.3)

    def expose(scene: FloatArray) -> FloatArray:
        lit = np.empty_like(scene)
        for channel, factor in enumerate(balance.tolist()):
            plane = scene[..., channel] * (light * factor)
            # A tone curve that leaves black and white where they are.
            lit[..., channel] = plane + contrast * plane * (1.0 - plane) * (2.0 * plane - 1.0)
        return np.asarray(cv2.GaussianBlur(lit, (0, 0), blur), dtype=np.float64)

    return expose


def _develop(exposed: FloatArray, noise: FloatArray) -> NDArray[np.uint8]:
    return np.round(np.clip(exposed + noise, 0.0, 1.0) * 255.0).astype(np.uint8)
