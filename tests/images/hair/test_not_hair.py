"""What looks like hair and is none: rulers, ink, bubbles, the dark border, pigment networks."""

from itertools import pairwise

import cv2
import numpy as np
import pytest

from harmonic.images.hair import hair_mask
from harmonic.sample.strands import Strand, paint_hairs

BLACK = (30, 25, 25)


def skin(seed: int = 0, height: int = 450, width: int = 600) -> np.ndarray:
    """Plain skin with a round lesion and sensor noise."""
    y, x = np.mgrid[0:height, 0:width]
    distance = np.hypot(x - width / 2, y - height / 2) / (0.22 * height)
    dark = 70.0 / (1.0 + np.exp((distance - 1.0) * 8.0))
    image = np.stack([215 - dark, 150 - dark, 140 - dark], axis=2)
    noise = np.random.default_rng(seed).normal(0.0, 2.0, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def bar(image: np.ndarray, start: np.ndarray, end: np.ndarray, thickness: int = 3) -> None:
    first, last = (tuple(int(v) for v in np.round(point * 16)) for point in (start, end))
    cv2.line(image, first, last, BLACK, thickness, cv2.LINE_AA, 4)


@pytest.mark.parametrize("angle", [0.0, 17.0, 45.0, 90.0, 130.0])
@pytest.mark.parametrize("spacing", [12.0, 25.0, 45.0])
def test_the_ticks_of_a_ruler(angle: float, spacing: float) -> None:
    image = skin()
    along = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
    across = np.array([-along[1], along[0]])
    foot = np.array([300.0, 225.0]) + 130.0 * across
    for n in range(-5, 6):
        root = foot + n * spacing * along
        bar(image, root, root + across * (34.0 if n % 5 == 0 else 22.0))
    assert hair_mask(image).mean() < 0.0005


def test_two_ticks_of_a_reticle_in_a_corner() -> None:
    image = skin()
    for shift in (0.0, 40.0):
        start = np.array([545.0 + shift * 0.7, 25.0 + shift * 0.7])
        bar(image, start, start + np.array([20.0, -20.0]), 4)
    assert not hair_mask(image).any()


def test_ticks_do_not_hide_the_hair_beside_them() -> None:
    image = skin()
    for x in np.arange(100.0, 500.0, 25.0):
        bar(image, np.array([x, 400.0]), np.array([x, 422.0]))
    path = np.column_stack([np.linspace(50.0, 550.0, 40), 60 + 40 * np.sin(np.linspace(0, 2, 40))])
    scene, truth = paint_hairs(
        image / 255.0, [Strand(path, np.full(40, 3.0))], "dark", np.random.default_rng(0)
    )
    found = hair_mask(np.round(np.clip(scene, 0, 1) * 255).astype(np.uint8))
    assert 2 * (found & truth).sum() / (found.sum() + truth.sum()) > 0.85
    assert not found[390:430].any()


def test_short_parallel_hairs_at_random_distances_are_hair() -> None:
    image = skin()
    rng = np.random.default_rng(3)
    strands = []
    for _ in range(18):
        root = rng.uniform((40.0, 40.0), (560.0, 410.0))
        steps = np.linspace(0.0, 45.0, 8)[:, None]
        path = root + steps * np.array([np.cos(0.5), np.sin(0.5)])
        strands.append(Strand(path, np.full(8, 3.5)))
    scene, truth = paint_hairs(image / 255.0, strands, "dark", rng)
    found = hair_mask(np.round(np.clip(scene, 0, 1) * 255).astype(np.uint8))
    assert (found & truth).sum() > 0.8 * truth.sum()


def test_ink() -> None:
    image = skin()
    points = [np.array([60.0 + 12 * n, 380.0 + 14 * (-1) ** n]) for n in range(9)]
    for start, end in pairwise(points):
        first, last = (tuple(int(v) for v in point) for point in (start, end))
        cv2.line(image, first, last, (90, 60, 150), 14, cv2.LINE_AA)
    assert hair_mask(image).mean() < 0.002


def test_gel_bubbles() -> None:
    image = skin()
    rng = np.random.default_rng(1)
    for x, y, radius in zip(
        rng.uniform(40, 560, 12), rng.uniform(40, 410, 12), rng.uniform(4, 9, 12), strict=True
    ):
        centre = (int(x), int(y))
        cv2.circle(image, centre, int(radius), (185, 125, 118), 2, cv2.LINE_AA)
        cv2.circle(image, (centre[0] - 2, centre[1] - 2), 1, (255, 255, 255), -1, cv2.LINE_AA)
    assert hair_mask(image).mean() < 0.002


@pytest.mark.parametrize("softness", [1.0, 6.0, 20.0])
def test_the_dark_circular_border(softness: float) -> None:
    image = skin().astype(np.float64)
    y, x = np.mgrid[0:450, 0:600]
    inside = 1.0 / (1.0 + np.exp((np.hypot(x - 300, y - 225) - 270.0) / softness))
    image = (image * (0.03 + 0.97 * inside[..., None])).astype(np.uint8)
    assert hair_mask(image).mean() < 0.0005


def test_a_pigment_network() -> None:
    image = skin().astype(np.float64)
    y, x = np.mgrid[0:450, 0:600] / 1.0
    wave = sum(np.cos(0.5 * (x * np.cos(a) + y * np.sin(a))) for a in (0.2, 1.25, 2.3))
    lines = np.clip((1.2 - wave) / 2.0, 0.0, 1.0)
    patch = np.exp(-((((x - 300) ** 2 + (y - 225) ** 2) / 120.0**2) ** 2))
    image -= (60.0 * lines * patch)[..., None]
    assert hair_mask(np.clip(image, 0, 255).astype(np.uint8)).mean() < 0.002


def between_lights(brightness: int) -> np.ndarray:
    """Faint dark bars, each beside a row of bright spots."""
    image = skin()
    for x in range(260, 340, 14):
        image[40:100, x - 1 : x + 2] = image[40:100, x - 1 : x + 2] * 0.85
        for y in range(40, 100, 8):
            image[y : y + 3, x + 6 : x + 9] = brightness
    return image


def test_what_is_dark_between_glints() -> None:
    assert hair_mask(between_lights(240)).mean() > 0.002
    assert not hair_mask(between_lights(255)).any()


def crossed_by_a_hair(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    path = np.column_stack([np.linspace(50.0, 550.0, 40), np.full(40, 60.0)])
    scene, truth = paint_hairs(
        image / 255.0, [Strand(path, np.full(40, 3.0))], "dark", np.random.default_rng(0)
    )
    return np.round(np.clip(scene, 0, 1) * 255).astype(np.uint8), truth


@pytest.mark.parametrize("count", [1, 8, 14])
def test_glints_beside_a_hair_do_not_hide_it(count: int) -> None:
    hairy, truth = crossed_by_a_hair(skin())
    for x in np.linspace(90, 510, count):
        cv2.circle(hairy, (int(x), 66), 2, (255, 255, 255), -1)
    found = hair_mask(hairy)
    assert (found & truth).sum() / truth.sum() > 0.9


def test_skin_in_too_much_light_is_no_glint() -> None:
    hairy, truth = crossed_by_a_hair(np.full((450, 600, 3), 253, dtype=np.uint8))
    assert (hair_mask(hairy) & truth).sum() / truth.sum() > 0.9
