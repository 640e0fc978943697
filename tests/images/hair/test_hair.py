"""Hair removal, on images whose hair is known because it was drawn."""

import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import skimage.transform
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harmonic.errors import InputError
from harmonic.images.hair import METHODS, hair_mask, inpaint, remove_hair
from harmonic.sample.phantom import draw_phantom
from harmonic.sample.strands import Strand, add_hair, paint_hairs

ORIGINALS = Path(__file__).parents[4] / "shared/ham10000/ham10000-600x450-sample.zip"


def skin(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Plain skin with soft blotches, a round lesion and sensor noise."""
    rng = np.random.default_rng(seed)
    blotches = skimage.transform.resize(rng.normal(size=(5, 7)), (height, width), order=3)
    y, x = np.mgrid[0:height, 0:width]
    distance = np.hypot(x - width / 2, y - height / 2) / (0.22 * height)
    dark = 70.0 / (1.0 + np.exp((distance - 1.0) * 8.0))
    image = np.stack([215 - dark, 150 - dark, 140 - dark], axis=2) + 6.0 * blotches[..., None]
    return np.clip(image + rng.normal(0.0, 2.0, image.shape), 0, 255).astype(np.uint8)


def dice(found: np.ndarray, truth: np.ndarray) -> float:
    return 2.0 * float((found & truth).sum()) / float(found.sum() + truth.sum())


@pytest.mark.parametrize(("height", "width"), [(150, 200), (450, 600)])
@pytest.mark.parametrize("colour", ["dark", "brown"])
@pytest.mark.parametrize("density", ["sparse", "medium"])
def test_it_finds_the_hair_that_was_drawn(
    height: int, width: int, colour: str, density: str
) -> None:
    scores = []
    for seed in range(2):
        rng = np.random.default_rng(seed)
        image, truth = add_hair(skin(height, width, seed), rng, density=density, colour=colour)
        scores.append(dice(hair_mask(image), truth))
    assert np.mean(scores) > 0.80


@pytest.mark.parametrize("factor", [2, 5])
def test_in_a_photograph_of_many_pixels_it_finds_the_same_hair(factor: int) -> None:
    image, _ = add_hair(skin(450, 600), np.random.default_rng(3), density="medium", colour="dark")
    large = np.asarray(Image.fromarray(image).resize((600 * factor, 450 * factor)))
    found = hair_mask(large)
    assert found.shape == large.shape[:2]
    assert dice(found, hair_mask(image).repeat(factor, axis=0).repeat(factor, axis=1)) > 0.9


def test_it_finds_light_hair_on_a_dark_lesion_at_all() -> None:
    image = (skin(300, 400) * 0.55).astype(np.uint8)
    hairy, truth = add_hair(image, np.random.default_rng(2), density="medium", colour="light")
    assert dice(hair_mask(hairy), truth) > 0.6


@pytest.mark.parametrize(("height", "width"), [(150, 200), (450, 600)])
def test_without_hair_the_very_same_array_comes_back(height: int, width: int) -> None:
    image = skin(height, width, seed=5)
    assert not hair_mask(image).any()
    assert remove_hair(image) is image


def test_removal_brings_the_skin_back() -> None:
    bare = skin(300, 400)
    hairy, truth = add_hair(bare, np.random.default_rng(1), density="medium", colour="dark")

    def error(image: np.ndarray) -> float:
        return float(((image[truth].astype(float) - bare[truth]) ** 2).mean())

    assert error(remove_hair(hairy)) < 0.1 * error(hairy)


def test_hairless_phantoms_hardly_change() -> None:
    changed = []
    for n in range(60):
        dx = ("nv", "mel", "bcc", "akiec", "bkl", "df", "vasc")[n % 7]
        phantom = draw_phantom(dx, np.random.default_rng([1, n]), np.random.default_rng([2, n]))
        image = phantom.image if phantom.hairless is None else phantom.hairless
        changed.append((remove_hair(image) != image).any(axis=2).mean())
    assert np.mean(changed) < 0.01


def test_dots_blobs_and_a_dark_border_are_no_hair() -> None:
    image = skin(300, 400)
    y, x = np.mgrid[0:300, 0:400]
    rng = np.random.default_rng(0)
    for cx, cy, radius in zip(
        rng.uniform(20, 380, 40), rng.uniform(20, 280, 40), rng.uniform(1, 9, 40), strict=True
    ):
        image[np.hypot(x - cx, y - cy) < radius] //= 3
    image[np.hypot(x - 200, y - 150) > 215] = 8
    assert hair_mask(image).mean() < 0.002


@settings(max_examples=10)
@given(angle=st.floats(0.0, np.pi), width=st.floats(1.5, 4.5))
def test_one_hair_at_any_angle_and_width(angle: float, width: float) -> None:
    along = np.linspace(-90.0, 90.0, 20)[:, None] * np.array([np.cos(angle), np.sin(angle)])
    strand = Strand(along + np.array([200.0, 60.0 + 90.0]), np.full(20, width * 400 / 600 + 0.5))
    bare = skin(300, 400)
    scene, truth = paint_hairs(bare / 255.0, [strand], "dark", np.random.default_rng(0))
    image = np.round(np.clip(scene, 0.0, 1.0) * 255.0).astype(np.uint8)
    assert dice(hair_mask(image), truth) > 0.7


@pytest.mark.parametrize("method", METHODS)
def test_every_method_keeps_shape_and_leaves_its_input_alone(method: str) -> None:
    image, truth = add_hair(
        skin(150, 200), np.random.default_rng(0), density="medium", colour="dark"
    )
    before = image.copy()
    mask = hair_mask(image, method)
    removed = remove_hair(image, method)
    np.testing.assert_array_equal(image, before)
    assert (mask.shape, mask.dtype) == ((150, 200), np.dtype(bool))
    assert (removed.shape, removed.dtype) == (image.shape, image.dtype)
    if method == "none":
        assert removed is image
    else:
        assert dice(mask, truth) > 0.4
        np.testing.assert_array_equal(remove_hair(image, method), removed)


@settings(max_examples=20)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    seed=st.integers(0, 99),
    method=st.sampled_from(list(METHODS)),
)
def test_any_image_of_any_size_passes(shape: tuple[int, int], seed: int, method: str) -> None:
    image = np.random.default_rng(seed).integers(0, 256, size=(*shape, 3), dtype=np.uint8)
    mask = hair_mask(image, method)
    removed = remove_hair(image, method)
    assert mask.shape == shape
    assert removed.shape == image.shape


def test_inpainting_changes_nothing_far_from_the_mask() -> None:
    image = skin(150, 200)
    mask = np.zeros((150, 200), dtype=bool)
    mask[70, 40:160] = True
    changed = (inpaint(image, mask) != image).any(axis=2)
    assert not changed[:69].any()
    assert not changed[72:].any()


def test_a_strip_is_refused_at_once() -> None:
    with pytest.raises(InputError, match="of 20000 x 1 pixels; beyond 1000"):
        remove_hair(np.full((1, 20000, 3), 200, dtype=np.uint8))


def test_it_refuses_what_it_does_not_know() -> None:
    with pytest.raises(InputError, match=r"'shave'.*directional"):
        remove_hair(skin(20, 30), "shave")
    for shape, kind in (((20, 30), "uint8"), ((20, 30, 3), "float64"), ((0, 3, 3), "uint8")):
        with pytest.raises(InputError, match="uint8"):
            hair_mask(np.zeros(shape, dtype=kind))


@pytest.mark.skipif(not ORIGINALS.exists(), reason="needs ../shared/ham10000")
def test_it_beats_the_dullrazor_clone_on_real_skin() -> None:
    scores: dict[str, list[float]] = {"directional": [], "dullrazor": []}
    changed = []
    with zipfile.ZipFile(ORIGINALS) as archive:
        # Checked by eye: no hair on these.
        for name in ("ISIC_0024311", "ISIC_0024399", "ISIC_0026828", "ISIC_0033568"):
            (member,) = (m for m in archive.namelist() if m.endswith(f"{name}.jpg"))
            image = np.array(Image.open(BytesIO(archive.read(member))))
            changed.append((remove_hair(image) != image).any(axis=2).mean())
            rng = np.random.default_rng(7)
            hairy, truth = add_hair(image, rng, density="medium", colour="dark")
            for method, values in scores.items():
                values.append(dice(hair_mask(hairy, method), truth))
    assert np.mean(scores["directional"]) > np.mean(scores["dullrazor"]) + 0.1
    assert np.mean(scores["directional"]) > 0.75
    assert np.mean(changed) < 0.01
