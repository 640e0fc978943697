"""What the parameters say is the network that is trained."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from harmonic.nn.networks import build_network
from stages.harness.params import Params, load_params
from stages.training import conv_of, network_options

ROOT = Path(__file__).parents[2]


def params(image_size: int, **train: Any) -> Params:
    committed = load_params(ROOT / "params.yaml")
    section = committed.train.model_copy(update=train)
    return committed.model_copy(update={"train": section, "image_size": image_size})


@pytest.mark.parametrize("network", ["small", "post", "wrn-10-1", "resnet-18"])
@pytest.mark.parametrize("image_size", [28, 48, 64])
def test_every_network_takes_every_image_size(network: str, image_size: int) -> None:
    chosen = params(image_size, network=network)
    model = build_network(network, conv=conv_of(chosen), **network_options(chosen)).eval()
    assert model(torch.zeros(2, 3, image_size, image_size)).shape == (2, 7)


@pytest.mark.parametrize("network", ["small", "post"])
def test_dropout_and_batch_norm_are_what_the_parameters_say(network: str) -> None:
    chosen = params(28, network=network, dropout=0.3, batch_norm="all")
    model = build_network(network, conv="harmonic", **network_options(chosen))
    modules = list(model.modules())
    assert {module.p for module in modules if isinstance(module, nn.Dropout)} == {0.3}
    assert all(getattr(module, "batch_norm", True) for module in modules)


@pytest.mark.parametrize("network", ["small", "post", "wrn-10-1", "resnet-18"])
def test_progressive_levels_make_every_network_smaller(network: str) -> None:
    """The paper's λ by stage: full … full, 3, 2."""
    whole, cut = (
        build_network(network, **network_options(params(28, network=network, level=level)))
        for level in (None, "progressive")
    )
    assert sum(p.numel() for p in cut.parameters()) < sum(p.numel() for p in whole.parameters())
