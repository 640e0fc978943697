"""What is compared with what: presets of arms, each arm a change of params.yaml.

A preset fixes the budget of a run, so that its rows can be compared; the name stands in every row.

full    what a GPU does in about a minute: the figures to cite
small   at most five minutes a run on two cores: a smaller network, fewer epochs; good for
        differences between arms, not for the best accuracy
long    what a processor core does in about half an hour: how far the better recipe gets
        without a GPU
search  learning rates for `small`, the same budget for every kind of network; runs end with the
        validation set, the test set is never read
basis   what it is that helps: bases of the filters under AdamW and under SGD, at the budget of
        `small`; each arm at the rate and decay that `basis-search` found for it
basis-full  the same arms at the budget of `full`, mixed and for a hundred epochs: for a GPU
calibration  every way to meet the imbalance, with soft targets and without: by what rule answers
        become probabilities is chosen on their answers for the validation set
"""

from dataclasses import dataclass
from typing import Any, Literal

Overrides = dict[str, Any]
"""Values by dotted key of params.yaml: {"train.level": 3}."""


@dataclass(frozen=True)
class Preset:
    """A budget and the arms that share it."""

    base: Overrides
    """What differs from params.yaml in every arm."""
    arms: dict[str, Overrides]
    """What an arm changes in turn, by its name."""
    seeds: tuple[int, ...]
    answered: Literal["test", "val"] | None = "test"
    """The set whose answers are kept; a search must not read the test set."""
    search: str | None = None
    """The preset in which each arm's learning rate and weight decay were searched."""


KINDS: dict[str, Overrides] = {
    "harmonic": {},
    "cnn": {"model": "cnn"},
    "harmonic-level3": {"train.level": 3},
    "harmonic-level2": {"train.level": 2},
    "harmonic-l1": {"train.norm": "l1"},
    "harmonic-first": {"train.batch_norm": "first"},
}
"""One network, changed in its convolutions alone."""
SMALLER: dict[str, Overrides] = {
    f"{kind}-{values}": KINDS[kind] | {"train.binarize": values}
    for kind in ("harmonic", "cnn")
    for values in ("binary", "ternary")
}
"""Weights of one bit, or of three values, from the first step on."""
HAIR: dict[str, Overrides] = {
    "hair-dullrazor": {"remove_hair.method": "dullrazor"},
    "hair-directional": {"remove_hair.method": "directional"},
}
NO_HAIR_REMOVAL: Overrides = {"remove_hair.method": "none"}
"""Of all other arms: kinds of network are compared on the images as they are."""
SMALL: Overrides = {
    "source": "archive",
    "image_size": 64,
    "train.network": "small",
    "train.width": 32,
    "train.blocks": 1,
    "train.precision": "bfloat16",
    "epochs": 10,
    "batch_size": 64,
}
LONG: Overrides = SMALL | {
    "train.width": 48,
    "train.blocks": 2,
    "epochs": 24,
    "train.optimizer": "adamw",
    "train.weight_decay": 0.05,
    "train.ema": 0.998,
    "train.zoom": 0.2,
}
FULL: Overrides = LONG | {
    "train.width": 64,
    "epochs": 60,
    "batch_size": 128,
    "train.zoom": 0.25,
    "train.colour": 0.2,
    "train.label_smoothing": 0.1,
}
RATES = {"harmonic": 0.008, "cnn": 0.002, "harmonic-l1": 0.008, "harmonic-level3": 0.008}
"""The best of the search on the validation set (results/search.md); a test holds them to it."""
RATE_OF = {"harmonic-level2": "harmonic-level3", "harmonic-first": "harmonic"}
"""Kinds that were not searched take the rate of their next of kin."""
SEARCHED_RATES = (0.0005, 0.001, 0.002, 0.004, 0.008, 0.016)


def with_rates(arms: dict[str, Overrides]) -> dict[str, Overrides]:
    """Each arm at the learning rate of its kind; what names no kind is a harmonic network."""
    found = {}
    for arm, overrides in arms.items():
        kind = arm.removesuffix("-binary").removesuffix("-ternary")
        kind = RATE_OF.get(kind, kind if kind in RATES else "harmonic")
        found[arm] = overrides | {"lr": RATES[kind]}
    return found


COSINES = ("harmonic", "harmonic-level3", "harmonic-level2")
BASES: dict[str, Overrides] = KINDS | {
    "harmonic-dct4": {"train.transform": "dct4"},
    **{
        kind.replace("harmonic", "random"): KINDS[kind] | {"train.transform": "random"}
        for kind in COSINES
    },
}
"""Coordinates in which kernels are learned. Hadamard, slant and Haar do not fit 3 × 3."""
UNDER_SGD = ("cnn", "harmonic", "random", "harmonic-l1")
"""By theory the first three are one under SGD; the fourth is not."""
BASIS: dict[str, Overrides] = {
    f"{name}-{optimizer}": BASES[name] | {"train.optimizer": optimizer}
    for optimizer, names in (("adamw", tuple(BASES)), ("sgd", UNDER_SGD))
    for name in names
}
AUTO: Overrides = {"train.precision": "auto"}
"""float32 on a CPU, as bfloat16 is far slower on one that does not know the type."""
BASIS_RATES = {
    "adamw": (0.001, 0.002, 0.004, 0.008, 0.016),
    "sgd": (0.0125, 0.025, 0.05, 0.1, 0.2),
}
BASIS_DECAYS = {"adamw": (0.005, 0.05), "sgd": (0.0001, 0.001)}
"""Of AdamW the weights shrink by rate × decay a step; of SGD the decay joins the gradient."""
BASIS_SEARCH: dict[str, Overrides] = {
    f"{arm}-lr{rate:g}-decay{decay:g}": BASIS[arm] | {"lr": rate, "train.weight_decay": decay}
    for arm, overrides in BASIS.items()
    for rate in BASIS_RATES[overrides["train.optimizer"]]
    for decay in BASIS_DECAYS[overrides["train.optimizer"]]
}
SOFT: Overrides = {"train.label_smoothing": 0.1, "train.mixup": 0.2, "train.cutmix": 1.0}
"""Targets that are no certain class make a network's answers too flat."""
CALIBRATION: dict[str, Overrides] = {
    f"{way}{name}": {"train.imbalance": way} | targets
    for way in ("logit_adjustment", "class_weights", "focal", "resampling", "none")
    for name, targets in (("", {}), ("-soft", SOFT))
}

PRESETS: dict[str, Preset] = {
    "small": Preset(SMALL | NO_HAIR_REMOVAL, with_rates(KINDS | HAIR | SMALLER), seeds=(0, 1, 2)),
    "full": Preset(FULL | NO_HAIR_REMOVAL, with_rates(KINDS | HAIR | SMALLER), seeds=(0, 1, 2)),
    "long": Preset(
        LONG | NO_HAIR_REMOVAL,
        # Of the two best rates on the validation set the lower one, as training is longer.
        {"harmonic": {"lr": 0.004}, "cnn": {"model": "cnn", "lr": 0.002}},
        seeds=(0, 1, 2),
    ),
    "search": Preset(
        SMALL | {"epochs": 6},
        {
            f"{kind}-lr{rate:g}": KINDS[kind] | {"lr": rate}
            for kind in RATES
            for rate in SEARCHED_RATES
        },
        seeds=(0,),
        answered=None,
    ),
    "basis": Preset(
        SMALL | NO_HAIR_REMOVAL | AUTO, BASIS, seeds=(0, 1, 2, 3, 4), search="basis-search"
    ),
    "basis-search": Preset(
        SMALL | NO_HAIR_REMOVAL | AUTO | {"epochs": 3}, BASIS_SEARCH, seeds=(0,), answered=None
    ),
    "basis-full": Preset(
        FULL | NO_HAIR_REMOVAL | AUTO | {"epochs": 100, "train.mixup": 0.2, "train.cutmix": 1.0},
        BASIS,
        seeds=(0, 1, 2, 3, 4),
        search="basis-search",
    ),
    "calibration": Preset(
        SMALL
        | NO_HAIR_REMOVAL
        | {"image_size": 32, "train.width": 16, "train.precision": "float32", "epochs": 12}
        | {"lr": 0.008},
        CALIBRATION,
        seeds=(0,),
        answered="val",
    ),
}
