"""What is compared with what: presets of arms, each arm a change of params.yaml.

A preset fixes the budget of a run, so that its rows can be compared; the name stands in every row.

full    what a GPU does in about a minute: the figures to cite
small   at most five minutes a run on two cores: a smaller network, fewer epochs; good for
        differences between arms, not for the best accuracy
search  learning rates for `small`, the same budget for every kind of network; runs end with the
        validation set, the test set is never read
"""

from dataclasses import dataclass
from typing import Any

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
    evaluated: bool = True
    """Whether a run ends with the test set; a search must not."""


KINDS: dict[str, Overrides] = {
    "harmonic": {},
    "cnn": {"model": "cnn"},
    "harmonic-level3": {"train.level": 3},
    "harmonic-level2": {"train.level": 2},
    "harmonic-l1": {"train.norm": "l1"},
    "harmonic-first": {"train.batch_norm": "first"},
}
SMALLER: dict[str, Overrides] = {
    f"{kind}-{values}": KINDS[kind] | {"train.binarize": values}
    for kind in ("harmonic", "cnn")
    for values in ("binary", "ternary")
}
HAIR: dict[str, Overrides] = {
    "hair-none": {"remove_hair.method": "none"},
    "hair-dullrazor": {"remove_hair.method": "dullrazor"},
}
SMALL: Overrides = {
    "source": "archive",
    "image_size": 64,
    "train.network": "small",
    "train.width": 32,
    "train.blocks": 1,
    "train.precision": "bfloat16",
    "epochs": 12,
    "batch_size": 64,
}
FULL: Overrides = {
    "source": "archive",
    "image_size": 64,
    "train.network": "small",
    "train.width": 64,
    "train.blocks": 2,
    "train.precision": "bfloat16",
    "epochs": 60,
    "batch_size": 128,
    "train.optimizer": "adamw",
    "train.weight_decay": 0.05,
    "train.ema": 0.998,
    "train.zoom": 0.25,
    "train.colour": 0.2,
    "train.label_smoothing": 0.1,
}
SEARCHED_RATES = (0.0005, 0.001, 0.002, 0.004)

PRESETS: dict[str, Preset] = {
    "small": Preset(SMALL, KINDS | HAIR | SMALLER, seeds=(0, 1, 2)),
    "full": Preset(FULL, KINDS | HAIR | SMALLER, seeds=(0, 1, 2)),
    "search": Preset(
        SMALL | {"epochs": 6},
        {
            f"{kind}-lr{rate:g}": KINDS[kind] | {"lr": rate}
            for kind in ("harmonic", "cnn", "harmonic-l1", "harmonic-level3")
            for rate in SEARCHED_RATES
        },
        seeds=(0,),
        evaluated=False,
    ),
}
