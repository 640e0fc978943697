"""Weights of two or three values: the best scales, a straight gradient, and nothing lost packed."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from harmonic.nn import HarmonicConv2d, build_network, fold
from harmonic.nn.binary import binarize, quantised_layers, settled, signs_and_scales
from harmonic.nn.packing import from_bytes, pack, to_bytes, unpack

KINDS = ("binary", "ternary")
NETWORKS = [
    ("small", {"width": 8}),
    ("small", {"width": 8, "batch_norm": "all", "level": 2}),
    ("wrn-10-1", {}),
    ("post", {"image_size": 28}),
]


def random_images(count: int = 3, size: int = 28) -> torch.Tensor:
    return torch.randn(count, 3, size, size, generator=torch.Generator().manual_seed(1))


def used(model: nn.Module) -> nn.Module:
    """With statistics of batch norm that are not those of a fresh network."""
    with torch.no_grad():
        for _ in range(2):
            model.train()(random_images(8))
    return model.eval()


@given(st.integers(0, 10**6), st.sampled_from(KINDS))
@settings(max_examples=40)
def test_the_scales_are_the_least_squares_ones_for_their_signs(seed: int, kind: str) -> None:
    weight = torch.randn(5, 3, 9, generator=torch.Generator().manual_seed(seed)).double()
    signs, scales = signs_and_scales(weight, kind)
    assert set(signs.unique().tolist()) <= ({-1, 1} if kind == "binary" else {-1, 0, 1})
    for row, sign, scale in zip(weight.flatten(1), signs.flatten(1), scales.flatten(), strict=True):
        best = torch.linalg.lstsq(sign[:, None], row[:, None]).solution
        assert torch.allclose(best[0, 0], scale)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_goes_straight_through(kind: str) -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Flatten(), nn.Linear(125, 2))
    model = binarize(plain, kind)
    assert list(quantised_layers(model)) == ["1"]
    images = random_images(2, 9)
    model(images).square().sum().backward()
    real = model[1].parametrizations["weight"].original.grad
    ordinary = settled(model)
    for parameter in ordinary.parameters():
        parameter.grad = None
    ordinary(images).square().sum().backward()
    assert torch.equal(real, ordinary[1].weight.grad)


def test_all_layers_by_choice() -> None:
    model = build_network("small", width=4, binarize="binary", binarize_layers="all")
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear | HarmonicConv2d)]
    assert len(quantised_layers(model)) == len(layers)
    inner = build_network("small", width=4, binarize="binary")
    assert len(quantised_layers(inner)) == len(layers) - 2


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("conv", ["harmonic", "plain"])
@pytest.mark.parametrize(("name", "options"), NETWORKS)
def test_packed_settled_and_folded_networks_compute_the_same(
    name: str, options: dict[str, object], conv: str, kind: str
) -> None:
    model = used(build_network(name, conv=conv, binarize=kind, **options))
    fresh = build_network(name, conv=conv, binarize=kind, **options)
    tensors = pack(model)
    unpacked = unpack(fresh, tensors).eval()
    with torch.inference_mode():
        expected = model(random_images())
        assert torch.equal(unpacked(random_images()), expected)
        assert torch.equal(settled(model)(random_images()), expected)
        assert torch.allclose(fold(unpacked)(random_images()), expected, atol=1e-4, rtol=1e-4)


@given(st.lists(st.integers(0, 2), max_size=40))
def test_digits_come_back_from_bytes(digits: list[int]) -> None:
    for kind, digit in (("ternary", 2), ("binary", 1)):
        values = torch.tensor(digits).clamp(max=digit)
        packed = to_bytes(values, kind)
        assert len(packed) == -(-len(digits) // (8 if kind == "binary" else 5))
        assert from_bytes(packed, kind, len(digits)).tolist() == values.tolist()


def test_tensors_of_another_network_are_refused() -> None:
    model = build_network("small", width=8, binarize="binary")
    tensors = pack(model)
    for name in tensors:
        shorter = tensors | {name: tensors[name][:-1]}
        longer = tensors | {name: torch.cat([tensors[name], tensors[name][:1]])}
        with pytest.raises(ValueError, match=f"{name} of the packed network end"):
            unpack(model, shorter)
        with pytest.raises(ValueError, match=f"{name} of the packed network go on"):
            unpack(model, longer)
    with pytest.raises(ValueError, match="two tensors"):
        unpack(model, {"codes": tensors["codes"]})
    with pytest.raises(ValueError, match="only a binarised network"):
        pack(build_network("small", width=8))
    with pytest.raises(ValueError, match="'quaternary' is unknown"):
        build_network("small", binarize="quaternary")


def test_a_binarised_network_loads_its_state():
    saved, fresh = (build_network("small", width=4, binarize="binary").eval() for _ in range(2))
    fresh.load_state_dict(saved.state_dict())
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(fresh(images), saved(images))
