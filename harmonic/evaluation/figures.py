"""Which values a figure of a run can have: what no network could have scored is refused."""

import re
from typing import Any

from harmonic.errors import InputError
from harmonic.evaluation.run_parameters import finite

RANGES = {
    "balanced_accuracy": (0.0, 1.0),
    "accuracy": (0.0, 1.0),
    "macro_f1": (0.0, 1.0),
    "macro_auc": (0.0, 1.0),
    "weighted_precision": (0.0, 1.0),
    "weighted_recall": (0.0, 1.0),
    "weighted_f1": (0.0, 1.0),
    "mcc": (-1.0, 1.0),
    "ece": (0.0, 1.0),
    "brier": (0.0, 2.0),
    "log_loss": (0.0, float("inf")),
    "auc": (0.0, 1.0),
    "sensitivity": (0.0, 1.0),
    "specificity": (0.0, 1.0),
    "temperature": (0.0, float("inf")),
    "test_images": (1.0, float("inf")),
    "test_lesions": (1.0, float("inf")),
}
"""Least and greatest value of each figure, both allowed."""

NAME = re.compile(
    r"(?:majority_|lesion_|val_|clean_|melanoma_|malignant_)?"
    rf"(?P<figure>{'|'.join(RANGES)})"
    r"(?:_at_\d+)?(?:_natural_rule|_balanced_rule|_uncalibrated)?(?:_low|_high)?"
)
"""A figure's name in metrics.json or a table of runs, with what stands before and after it."""


def checked_figure(name: str, value: Any, where: str) -> float:
    """The value as float; raises InputError naming `where` and `name` for an impossible one.

    Names that are not built of RANGES may have any finite value.
    """
    number = finite(value, f"{where}: {name}")
    if found := NAME.fullmatch(name):
        low, high = RANGES[found["figure"]]
        if not low <= number <= high:
            allowed = f"{low:g} or more" if high == float("inf") else f"{low:g} to {high:g}"
            raise InputError(f"{where}: {name} is {number:g}; allowed is {allowed}")
    return number
