"""The files of a run that its report is made of, read and checked."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.errors import InputError
from harmonic.evaluation.figures import checked_figure
from harmonic.evaluation.predictions import read_predictions

Probabilities = NDArray[np.float64]
"""(images, classes)."""

HISTORY_COLUMNS = (
    *("epoch", "lr", "train_loss", "val_loss"),
    *("val_balanced_accuracy", "val_accuracy", "val_macro_auc"),
)


@dataclass(frozen=True)
class RunFiles:
    """Where the outputs of each stage lie."""

    fingerprint: Path
    raw: Path
    hairless: Path
    images: Path
    split: Path
    lr_range: Path
    history: Path
    model: Path
    metrics: Path
    intervals: Path
    figures: Path
    predictions: Path
    predictions_natural: Path
    per_class: Path
    operating_points: Path
    subgroups: Path


def read_json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def read_metrics(*paths: Path) -> dict[str, float]:
    """All figures of a run; raises InputError for an impossible or missing one."""
    metrics: dict[str, float] = {}
    for path in paths:
        for name, value in read_json(path).items():
            checked_figure(name, value, str(path))
            metrics[name] = value  # a count stays a whole number
    if "temperature" not in metrics:
        raise InputError(f"{paths[-1]}: temperature is missing; `evaluate` writes it")
    return metrics


def read_history(path: Path) -> pd.DataFrame:
    """history.csv; raises InputError for a missing column or an impossible value, naming it."""
    history = pd.read_csv(path).apply(pd.to_numeric, errors="coerce")
    if missing := [name for name in HISTORY_COLUMNS if name not in history]:
        raise InputError(f"{path}: column {missing[0]} is missing; `train` writes it")
    for row, record in enumerate(history.to_dict("records"), start=1):
        for name, value in record.items():
            checked_figure(str(name), value, f"{path}: row {row}")
    return history


def answers_to(
    image_ids: Sequence[str], balanced: Path, natural: Path
) -> tuple[Probabilities, Probabilities]:
    """Probabilities by both rules (n, 7) of the test images, in their order.

    Raises InputError where the tables do not answer these images, each once.
    """
    answered, by_balanced_rule = read_predictions(balanced)
    others, by_natural_rule = read_predictions(natural)
    if answered != others:
        raise InputError(f"{balanced} and {natural} are not of the same images")
    if strange := sorted(set(answered) - set(image_ids)):
        raise InputError(f"{balanced}: image {strange[0]} is no test image of split.csv")
    if missing := sorted(set(image_ids) - set(answered)):
        raise InputError(
            f"{balanced}: test image {missing[0]} has no answer; {len(answered)} of "
            f"{len(image_ids)} have one"
        )
    order = pd.Index(answered).get_indexer(pd.Index(image_ids))
    return by_balanced_rule[order], by_natural_rule[order]
