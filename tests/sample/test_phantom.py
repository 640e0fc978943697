"""Phantoms: the same bits from the same generators, one recipe a class, truth about their hair."""

import numpy as np
import pytest

from harmonic.data.classes import CLASSES
from harmonic.sample.lesion import BLUE, GRID, RECIPES, WHITE, draw_lesion
from harmonic.sample.phantom import HAIRY_SHARE, HEIGHT, WIDTH, Phantom, draw_phantom


def phantom(dx: str, lesion: int, photograph: int) -> Phantom:
    return draw_phantom(dx, np.random.default_rng(lesion), np.random.default_rng(photograph))


def test_every_class_has_a_recipe() -> None:
    assert set(RECIPES) == set(CLASSES)


@pytest.mark.parametrize("dx", CLASSES)
def test_maps_are_finite_and_end_inside_their_square(dx: str) -> None:
    for seed in range(5):
        maps = draw_lesion(dx, np.random.default_rng(seed))
        assert maps.shape == (GRID, GRID, 4)
        assert np.isfinite(maps).all()
        assert maps.max() > 0.2
        rim = np.concatenate([maps[0], maps[-1], maps[:, 0], maps[:, -1]])
        assert np.abs(rim).max() < 0.05
        assert maps[..., [WHITE, BLUE]].min() >= 0.0
        assert maps[..., [WHITE, BLUE]].max() < 1.0


@pytest.mark.parametrize("dx", CLASSES)
def test_same_generators_same_bits(dx: str) -> None:
    first, second = phantom(dx, 4, 9), phantom(dx, 4, 9)
    assert first.image.shape == (HEIGHT, WIDTH, 3)
    assert first.image.dtype == np.uint8
    np.testing.assert_array_equal(first.image, second.image)
    assert (phantom(dx, 4, 10).image != first.image).any()
    assert (phantom(dx, 5, 9).image != first.image).any()


def test_hair_truth() -> None:
    phantoms = [phantom("nv", n, 1000 + n) for n in range(90)]
    hairy = [p for p in phantoms if p.hair_mask is not None]
    assert abs(len(hairy) / len(phantoms) - HAIRY_SHARE) < 0.15
    seen = 0
    for p in hairy:
        assert p.hair_mask is not None
        assert p.hairless is not None
        change = np.abs(p.image.astype(int) - p.hairless).max(axis=2)
        seen += bool(change[p.hair_mask].mean() > 4 * change[~p.hair_mask].mean() > 0)
    assert seen >= 0.9 * len(hairy)
    assert all(p.hairless is None for p in phantoms if p.hair_mask is None)


def test_a_lesion_stands_out_from_the_skin_around() -> None:
    centre = (slice(HEIGHT // 2 - 12, HEIGHT // 2 + 12), slice(WIDTH // 2 - 12, WIDTH // 2 + 12))
    for dx in ("mel", "nv", "bkl"):
        differences = []
        for n in range(10):
            p = phantom(dx, n, n)
            image = p.image if p.hairless is None else p.hairless
            sides = np.concatenate([image[40:110, 12:28], image[40:110, -28:-12]], axis=1)
            differences.append(float(np.median(sides)) - float(image[centre].mean()))
        assert np.median(differences) > 25
