"""The filter bank against SciPy, and the orthogonality of every transform in the table."""

import numpy as np
import pytest
import scipy.fft
import scipy.linalg
import torch
from hypothesis import given
from hypothesis import strategies as st

from harmonic import filter_bank
from harmonic.nn.transforms import TRANSFORMS

POWERS_OF_TWO = {"hadamard", "slant", "haar"}


def sizes(transform):
    return [1, 2, 4, 8, 16] if transform in POWERS_OF_TWO else range(1, 17)


@pytest.mark.parametrize("size", range(2, 9))
@pytest.mark.parametrize("norm", ["ortho", "l1", "none"])
def test_responses_are_scipys_dct(size, norm):
    patch = np.random.default_rng(size).normal(size=(size, size))
    bank = filter_bank(size, norm=norm)
    responses = (bank.numpy() * patch).sum(axis=(1, 2)).reshape(size, size)
    if norm == "ortho":
        expected = scipy.fft.dctn(patch, type=2, norm="ortho")
    else:
        expected = scipy.fft.dctn(patch, type=2) / 4
    if norm == "l1":
        waves = np.abs(scipy.fft.dct(np.eye(size), type=2, axis=0) / 2).sum(axis=1)
        expected = expected / np.outer(waves, waves)
    assert np.abs(responses - expected).max() < 1e-12


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_transform_is_orthonormal(transform):
    for size in sizes(transform):
        bank = filter_bank((size, 1), transform=transform).flatten(1)
        assert bank.dtype == torch.float64
        assert (bank @ bank.T - torch.eye(size, dtype=torch.float64)).abs().max() < 1e-12


@given(height=st.integers(1, 16), width=st.integers(1, 16))
def test_the_orthonormal_bank_has_the_identity_as_gram_matrix(height, width):
    bank = filter_bank((height, width)).flatten(1)
    assert bank.shape == (height * width, height * width)
    assert (bank @ bank.T - torch.eye(len(bank), dtype=torch.float64)).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("transform", "kind"), [("dct1", 1), ("dct2", 2), ("dct3", 3), ("dct4", 4)]
)
def test_cosine_transforms_are_scipys(transform, kind):
    for size in range(2, 17):
        bank = filter_bank((size, 1), transform=transform)[:, :, 0].numpy()
        expected = scipy.fft.dct(np.eye(size), type=kind, norm="ortho", axis=0)
        assert np.abs(bank - expected).max() < 1e-12


@pytest.mark.parametrize("size", [2, 4, 8, 16])
def test_hadamard_holds_scipys_waves_in_order_of_sign_changes(size):
    bank = filter_bank((size, 1), transform="hadamard", norm="none")[:, :, 0].numpy()
    assert (np.abs(np.diff(bank, axis=1)).sum(axis=1) / 2).tolist() == list(range(size))
    assert {tuple(row) for row in bank} == {tuple(row) for row in scipy.linalg.hadamard(size)}


def test_slant_of_size_four_has_the_textbook_rows():
    a, b = 3 / np.sqrt(5), 1 / np.sqrt(5)
    expected = np.array([[1, 1, 1, 1], [a, b, -b, -a], [1, -1, -1, 1], [b, -a, a, -b]]) / 2
    bank = filter_bank((4, 1), transform="slant")[:, :, 0].numpy()
    assert np.abs(bank - expected).max() < 1e-12


@pytest.mark.parametrize("size", [4, 8, 16])
def test_the_second_slant_wave_is_a_straight_line(size):
    line = filter_bank((size, 1), transform="slant")[1, :, 0]
    assert line.diff().diff().abs().max() < 1e-12


def test_haar_waves_are_two_valued_steps():
    bank = filter_bank((4, 1), transform="haar", norm="none")[:, :, 0]
    expected = [[1, 1, 1, 1], [1, 1, -1, -1], [1, -1, 0, 0], [0, 0, 1, -1]]
    assert bank.tolist() == expected


@pytest.mark.parametrize(
    ("size", "counts"),
    [(3, [1, 3, 6, 8, 9]), (7, [1, 3, 6, 10, 15, 21, 28, 34, 39, 43, 46, 48, 49])],
)
def test_levels_keep_the_papers_numbers_of_filters(size, counts):
    assert [len(filter_bank(size, level=n)) for n in range(1, 2 * size)] == counts
    assert len(filter_bank(size, level=5 * size)) == size * size


@given(
    height=st.integers(1, 6),
    width=st.integers(1, 6),
    level=st.integers(1, 12),
    norm=st.sampled_from(["ortho", "l1", "none"]),
)
def test_a_level_is_a_selection_in_row_order(height, width, level, norm):
    full = filter_bank((height, width), norm=norm).unflatten(0, (height, width))
    kept = [full[u, v] for u in range(height) for v in range(width) if u + v < level]
    assert torch.equal(filter_bank((height, width), level=level, norm=norm), torch.stack(kept))


@given(height=st.integers(1, 5), width=st.integers(1, 5), level=st.integers(1, 9))
def test_the_random_basis_is_orthonormal_and_cut_as_the_cosines_are(height, width, level):
    bank = filter_bank((height, width), transform="random").flatten(1)
    assert (bank @ bank.T - torch.eye(height * width)).abs().max() < 1e-14
    assert torch.equal(filter_bank((height, width), transform="random").flatten(1), bank)
    kept = filter_bank((height, width), transform="random", level=level).flatten(1)
    assert len(kept) == len(filter_bank((height, width), level=level))
    assert all((bank == row).all(dim=1).any() for row in kept)


def test_the_random_basis_is_no_product_of_waves_and_differs_from_size_to_size():
    bank = filter_bank(3, transform="random")
    assert torch.linalg.svdvals(bank)[:, 1].min() > 0.05  # a product has rank one
    assert (filter_bank((1, 9), transform="random").flatten(1) - bank.flatten(1)).abs().max() > 0.1


def test_the_random_basis_is_the_same_everywhere():
    """Weights trained on it mean nothing on another."""
    expected = [
        -0.13880562615092043,
        -0.2517463862356761,
        -0.24551994867280286,
        0.0822040857649056,
        0.07158847896226249,
        -0.446690796412958,
        -0.20323504676663998,
        0.6327956287790062,
        -0.45158258192401524,
    ]
    assert filter_bank(3, transform="random")[0].flatten().tolist() == expected


def test_without_dc_the_first_filter_is_missing():
    assert torch.equal(filter_bank(3, dc=False), filter_bank(3)[1:])


@pytest.mark.parametrize("norm", ["ortho", "l1"])
def test_norms_hold_for_any_basis(norm):
    for basis in (2, 3, 8):
        bank = filter_bank((3, 5), norm=norm, basis_size=basis).flatten(1)
        lengths = bank.norm(dim=1) if norm == "ortho" else bank.abs().sum(dim=1)
        assert (lengths - 1).abs().max() < 1e-12


@pytest.mark.parametrize(("kernel", "basis", "count"), [(3, 8, 9), (4, 2, 4), (5, 3, 9)])
def test_basis_size_gives_the_posts_formula(kernel, basis, count):
    bank = filter_bank(kernel, norm="none", basis_size=basis)
    frequencies = range(min(kernel, basis))
    x = np.arange(kernel)
    expected = [
        np.outer(np.cos(np.pi / basis * (x + 0.5) * u), np.cos(np.pi / basis * (x + 0.5) * v))
        for u in frequencies
        for v in frequencies
    ]
    assert len(bank) == count
    assert np.abs(bank.numpy() - np.array(expected)).max() < 1e-12
    assert bank.flatten(1).norm(dim=1).min() > 0.1


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"kernel_size": 0}, ValueError, ["kernel_size=0", "at least 1"]),
        ({"kernel_size": 3.0}, TypeError, ["kernel_size=3.0", "integer"]),
        ({"kernel_size": (3, 3, 3)}, ValueError, ["kernel_size=(3, 3, 3)"]),
        ({"kernel_size": (3, -1)}, ValueError, ["kernel_size=(3, -1)"]),
        ({"kernel_size": "3"}, TypeError, ["kernel_size='3'"]),
        ({"kernel_size": True}, TypeError, ["kernel_size=True"]),
        ({"kernel_size": 3, "level": 0}, ValueError, ["level=0", "at least 1"]),
        ({"kernel_size": 3, "level": 2.0}, TypeError, ["level=2.0"]),
        ({"kernel_size": 3, "norm": "l2"}, ValueError, ["norm='l2'", "ortho, l1, none"]),
        ({"kernel_size": 3, "norm": None}, ValueError, ["norm=None"]),
        ({"kernel_size": 3, "transform": "dst"}, ValueError, ["transform='dst'", "dct2"]),
        ({"kernel_size": 3, "transform": "hadamard"}, ValueError, ["hadamard", "3"]),
        ({"kernel_size": 3, "basis_size": 0}, ValueError, ["basis_size=0"]),
        (
            {"kernel_size": 4, "basis_size": 8, "transform": "haar"},
            ValueError,
            ["basis_size=8", "haar"],
        ),
        (
            {"kernel_size": 4, "basis_size": 8, "transform": "random"},
            ValueError,
            ["basis_size=8", "random"],
        ),
        ({"kernel_size": 3, "level": 1, "dc": False}, ValueError, ["level=1", "dc=False"]),
    ],
)
def test_wrong_arguments_are_named_with_their_value(arguments, error, words):
    with pytest.raises(error) as caught:
        filter_bank(**arguments)
    for word in words:
        assert word in str(caught.value)


def test_a_default_device_without_data_does_not_matter():
    with torch.device("meta"):
        assert torch.equal(filter_bank(4, transform="haar"), filter_bank(4, transform="haar").cpu())
