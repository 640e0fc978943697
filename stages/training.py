"""From params.yaml to what find_lr and train must agree on: the network and a step's recipe."""

from typing import Any, Literal

from harmonic.learning.settings import Augmentation, Mixing, Recipe, Schedule
from stages.harness.params import Params


def recipe_of(params: Params) -> Recipe:
    """What one optimizer step is; find_lr and train must agree on it."""
    section = params.train
    return Recipe(
        seed=params.seed,
        batch_size=params.batch_size,
        precision=section.precision,
        optimizer=section.optimizer,
        weight_decay=section.weight_decay,
        clip=section.clip,
        imbalance=section.imbalance,
        focal_gamma=section.focal_gamma,
        label_smoothing=section.label_smoothing,
        augmentation=Augmentation(section.zoom, section.shift, section.colour, section.erasing),
        mixing=Mixing(section.mixup, section.cutmix),
        compile=section.compile,
    )


def schedule_of(params: Params) -> Schedule:
    """How long training lasts and how the learning rate runs."""
    section = params.train
    return Schedule(params.epochs, params.lr, section.warmup, section.ema, section.schedule)


def network_options(params: Params) -> dict[str, Any]:
    """The keyword arguments of `build_network`; the same for both kinds of convolution."""
    section = params.train
    options = {
        "level": section.level,
        "norm": section.norm,
        "batch_norm": section.batch_norm,
        "dropout": section.dropout,
        "binarize": section.binarize,
        "binarize_layers": section.binarize_layers,
    }
    if section.network == "post":  # of one width and depth; its linear layers fit one image size
        return options | {"image_size": params.image_size}
    return options | {"width": section.width, "blocks": section.blocks}


def conv_of(params: Params) -> Literal["harmonic", "plain"]:
    """The kind of convolution that `model` names."""
    return "harmonic" if params.model == "harmonic" else "plain"
