"""No stage: from params.yaml to the plan of a training, and what find_lr must agree on with it."""

from typing import Any, Literal

from harmonic.learning.settings import Network, Plan, Recipe, Schedule
from stages.harness.params import Params


def recipe_of(params: Params) -> Recipe:
    return Recipe.part_of(params.train, seed=params.seed, batch_size=params.batch_size)


def network_options(params: Params) -> dict[str, Any]:
    """The keyword arguments of `build_network`."""
    return Network.part_of(params.train).options(params.image_size)


def conv_of(params: Params) -> Literal["harmonic", "plain"]:
    """The kind of convolution that `model` names."""
    return "harmonic" if params.model == "harmonic" else "plain"


def plan_of(params: Params) -> Plan:
    """All that training depends on but for its data."""
    return Plan(
        network=params.train.network,
        conv=conv_of(params),
        options=network_options(params),
        image_size=params.image_size,
        aspect=params.resize.aspect,
        hair_method=params.remove_hair.method,
        recipe=recipe_of(params),
        schedule=Schedule.part_of(params.train, epochs=params.epochs, lr=params.lr),
        views=params.evaluate.views,
    )
