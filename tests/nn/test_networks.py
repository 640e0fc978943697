"""Parameter counts of the papers, equal shapes of both kinds, and options."""

import pytest
import torch
from torch import nn

from harmonic import HarmonicConv2d, build_network


def count(name, classes=10, **options):
    with torch.device("meta"):
        network = build_network(name, classes, **options)
    return sum(one.numel() for one in network.parameters())


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("wrn-28-10", [36_479_194, 24_413_914, 12_348_634, 15_743_194]),
        ("wrn-16-8", [10_961_370, 7_367_130, 3_772_890, 4_768_218]),
        ("wrn-16-4", [2_748_890, 1_848_794, 948_698, 1_200_602]),
        ("wrn-16-2", [691_674, 465_882, 240_090, 304_602]),
    ],
)
def test_wide_resnets_have_the_papers_parameter_counts(name, counts):
    assert [count(name, level=level) for level in (None, 3, 2, "progressive")] == counts
    assert count(name, conv="plain") == counts[0]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [("resnet-18", 11_689_512), ("resnet-34", 21_797_672), ("resnet-50", 25_557_032)],
)
def test_resnets_have_the_well_known_parameter_counts(name, parameters):
    assert count(name, classes=1000) == parameters
    assert count(name, classes=1000, conv="plain") == parameters


NAMES = ["small", "post", "wrn-10-1", "resnet-18", "resnet-50"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("batch_norm", ["none", "first"])
def test_both_kinds_have_one_shape_and_one_start(name, batch_norm):
    torch.manual_seed(5)
    plain = build_network(name, conv="plain")
    torch.manual_seed(5)
    network = build_network(name, batch_norm=batch_norm)
    sizes = [sum(one.numel() for one in model.parameters()) for model in (plain, network)]
    assert sizes[0] == sizes[1]
    images = torch.randn(2, 3, 64, 64)
    outputs = [model.eval()(images) for model in (plain, network)]
    assert outputs[0].shape == (2, 7)
    # batch norm with mean 0, variance 1 is the identity but for eps
    assert torch.allclose(*outputs, rtol=1e-3, atol=1e-3)
    layers = [one for one in network.modules() if isinstance(one, HarmonicConv2d)]
    assert [one.batch_norm for one in layers[:2]] == [batch_norm == "first", False]
    assert not any(isinstance(one, HarmonicConv2d) for one in plain.modules())


@pytest.mark.parametrize("name", NAMES)
def test_every_network_trains(name):
    torch.manual_seed(0)
    network = build_network(name, 4, level="progressive", batch_norm="all")
    loss = nn.functional.cross_entropy(network(torch.randn(4, 3, 64, 64)), torch.arange(4))
    loss.backward()
    assert all(one.grad.isfinite().all() for one in network.parameters())
    assert all(one.grad.abs().max() > 0 for one in network.parameters())


def test_progressive_levels_are_full_three_two():
    network = build_network("wrn-16-1", level="progressive")
    layers = [one for one in network.modules() if isinstance(one, HarmonicConv2d)]
    assert [one.level for one in layers] == [None] * 5 + [3] * 4 + [2] * 4
    network = build_network("resnet-18", level="progressive")
    layers = [one for one in network.modules() if isinstance(one, HarmonicConv2d)]
    assert [one.level for one in layers] == [None] * 9 + [3] * 4 + [2] * 4


@pytest.mark.parametrize("size", [28, 33, 64])
def test_the_small_network_takes_any_size_from_28(size):
    assert build_network("small", width=8)(torch.randn(2, 3, size, size + 5)).shape == (2, 7)


def test_the_small_networks_options():
    network = build_network("small", 3, width=8, blocks=2, dropout=0.5)
    assert sum(isinstance(one, HarmonicConv2d) for one in network.modules()) == 13
    assert [one.p for one in network.modules() if isinstance(one, nn.Dropout)] == [0.5]
    assert network(torch.randn(2, 3, 32, 32)).shape == (2, 3)


def test_the_posts_network_has_the_posts_widths():
    network = build_network("post", image_size=64)
    layers = [one for one in network.modules() if isinstance(one, HarmonicConv2d)]
    assert [one.out_channels for one in layers] == [3, 32, 32, 64, 64, 128, 128]
    assert [one.kernel_size[0] for one in layers] == [4, 4, 3, 3, 3, 3, 3]
    linear = [one for one in network.modules() if isinstance(one, nn.Linear)]
    assert [one.in_features for one in linear] == [8192, 1024, 128]


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"name": "vgg"}, ValueError, ["name='vgg'", "small"]),
        ({"name": 3}, ValueError, ["name=3"]),
        ({"name": "wrn-17-2"}, ValueError, ["name='wrn-17-2'", "depth=17"]),
        ({"name": "wrn-16-0"}, ValueError, ["name='wrn-16-0'", "width=0"]),
        ({"name": "resnet-20"}, ValueError, ["name='resnet-20'", "depth=20", "18, 34, 50"]),
        ({"dropout": "a"}, TypeError, ["dropout='a'"]),
        ({"dropout": 1.5}, ValueError, ["dropout=1.5", "between 0 and 1"]),
        ({"name": "post", "dropout": None}, TypeError, ["dropout=None"]),
        ({"name": "wrn-16-1", "dropout": -0.1}, ValueError, ["dropout=-0.1"]),
        ({"num_classes": 0}, ValueError, ["num_classes=0"]),
        ({"conv": "dct"}, ValueError, ["conv='dct'", "plain"]),
        ({"level": 0}, ValueError, ["level=0"]),
        ({"level": "full"}, ValueError, ["level='full'"]),
        ({"level": [3, 2]}, ValueError, ["level=[3, 2]", "3 stages"]),
        ({"level": 2.5}, TypeError, ["level=2.5"]),
        ({"norm": "l2"}, ValueError, ["norm='l2'"]),
        ({"batch_norm": True}, ValueError, ["batch_norm=True", "first"]),
        ({"width": "32"}, TypeError, ["width='32'"]),
        ({"blocks": 0}, ValueError, ["blocks=0"]),
        ({"depth": 3}, TypeError, ["depth"]),
    ],
)
def test_wrong_arguments_are_named_with_their_value(arguments, error, words):
    with pytest.raises(error) as caught:
        build_network(**{"name": "small", **arguments})
    for word in words:
        assert word in str(caught.value)
