"""Resizing: the size that was asked for, scikit-image's values, and constants left alone."""

import numpy as np
import pytest
import skimage.transform
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonic.errors import InputError
from harmonic.images.resize import ASPECTS, resampling_matrix, resize

heights_and_widths = st.tuples(st.integers(20, 180), st.integers(20, 180))


@settings(max_examples=30)
@given(
    shape=heights_and_widths,
    size=st.integers(28, 224),
    aspect=st.sampled_from(ASPECTS),
    colour=st.tuples(*[st.integers(0, 255)] * 3),
)
def test_a_constant_image_stays_constant(
    shape: tuple[int, int], size: int, aspect: str, colour: tuple[int, int, int]
) -> None:
    image = np.full((*shape, 3), colour, dtype=np.uint8)
    resized = resize(image, size, aspect)
    assert resized.shape == (size, size, 3)
    assert resized.dtype == np.uint8
    assert (resized == np.array(colour)).all()


@settings(max_examples=15)
@given(shape=heights_and_widths, size=st.integers(28, 224), seed=st.integers(0, 99))
def test_it_agrees_with_scikit_image(shape: tuple[int, int], size: int, seed: int) -> None:
    image = np.random.default_rng(seed).integers(0, 256, size=(*shape, 3), dtype=np.uint8)
    # Anti-aliasing applies along the axes that shrink; scikit-image takes it for each axis.
    reference = skimage.transform.resize(
        image, (size, size), order=1, mode="reflect", anti_aliasing=True, preserve_range=True
    )
    assert np.abs(resize(image, size) - reference).max() <= 1.0
    assert np.abs(resize(image, size) - reference).mean() <= 0.3  # a quarter is rounding


@pytest.mark.parametrize("size", [28, 64, 224])
@pytest.mark.parametrize("shape", [(150, 200), (450, 600)])
def test_it_agrees_at_the_sizes_in_use(shape: tuple[int, int], size: int) -> None:
    smooth = np.random.default_rng(1).random((*(side // 10 for side in shape), 3))
    image = np.round(skimage.transform.resize(smooth, shape, order=3) * 255).clip(0, 255)
    image = image.astype(np.uint8)
    reference = skimage.transform.resize(
        image, (size, size), order=1, mode="reflect", anti_aliasing=True, preserve_range=True
    )
    assert np.abs(resize(image, size) - reference).mean() <= 0.3


def test_crop_keeps_the_middle_and_pad_keeps_everything() -> None:
    image = np.zeros((60, 100, 3), dtype=np.uint8)
    image[:, :20] = 255  # outside the central square
    assert not resize(image, 60, "crop").any()
    padded = resize(image, 100, "pad")
    np.testing.assert_array_equal(padded[20:80], image)
    np.testing.assert_array_equal(padded[:20], np.broadcast_to(image[:1], (20, 100, 3)))


@pytest.mark.parametrize(("size", "aspect"), [(27, "squash"), (225, "squash"), (64, "stretch")])
def test_it_refuses(size: int, aspect: str) -> None:
    with pytest.raises(InputError, match="allowed"):
        resize(np.zeros((30, 40, 3), dtype=np.uint8), size, aspect)


@given(length=st.integers(1, 900), size=st.integers(28, 224))
def test_the_matrix_is_the_resized_unit_vectors(length: int, size: int) -> None:
    expected = skimage.transform.resize(
        np.eye(length), (size, length), order=1, mode="reflect", anti_aliasing=size < length
    )
    np.testing.assert_array_equal(resampling_matrix(length, size).toarray(), expected)
