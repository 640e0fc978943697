"""From params.yaml to what find_lr and train must agree on: the network and a step's recipe."""

from typing import Any, Literal

from harmonic.learning.settings import Network, Recipe, Schedule
from stages.harness.params import Params


def recipe_of(params: Params) -> Recipe:
    """What one optimizer step is."""
    return Recipe.part_of(params.train, seed=params.seed, batch_size=params.batch_size)


def schedule_of(params: Params) -> Schedule:
    """How long training lasts and how the learning rate runs."""
    return Schedule.part_of(params.train, epochs=params.epochs, lr=params.lr)


def network_options(params: Params) -> dict[str, Any]:
    """The keyword arguments of `build_network`."""
    return Network.part_of(params.train).options(params.image_size)


def conv_of(params: Params) -> Literal["harmonic", "plain"]:
    """The kind of convolution that `model` names."""
    return "harmonic" if params.model == "harmonic" else "plain"
