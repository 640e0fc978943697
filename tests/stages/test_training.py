"""What the parameters say is the network that is trained."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from harmonic.data.classes import CLASSES
from harmonic.model_file.description import Calibration, Description
from harmonic.nn.networks import build_network
from harmonic.report.doubts import of_params
from stages.harness.params import Params, load_params
from stages.training import conv_of, network_options, plan_of

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


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("model", "cnn"), ("seed", 7), ("image_size", 28)),
        *(("resize.aspect", "crop"), ("remove_hair.method", "none"), ("evaluate.views", 1)),
        *(("train.network", "post"), ("train.width", 64), ("train.level", 3)),
        ("train.imbalance", "focal"),
    ],
)
def test_parameters_that_are_not_the_networks_are_doubted(key: str, value: Any) -> None:
    committed = load_params(ROOT / "params.yaml")
    plan = plan_of(committed)
    description = Description(
        network=plan.network,
        conv=plan.conv,
        options=dict(plan.options),
        classes=list(CLASSES),
        class_counts=[1] * len(CLASSES),
        imbalance=plan.recipe.imbalance,
        image_size=plan.image_size,
        aspect=plan.aspect,
        hair_method=plan.hair_method,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        calibration=Calibration(views=plan.views, temperature=1.0),
        provenance={"seed": plan.recipe.seed},
    )
    given = committed.model_dump()
    assert of_params(given, description) == []
    *section, name = key.split(".")
    (given[section[0]] if section else given)[name] = value
    (line,) = of_params(given, description)
    assert line.startswith(f"{key} is {value} in params.yaml, but ")
    assert line.endswith(" in the model file")
