"""Whether the files of a run are of one run: files of two are easily mixed up, or edited.

What `evaluate` wrote is made again from the answers, the network and the data, intervals and all;
what cannot be made again is held against what must follow from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import (
    DIGITS,
    lesion_metrics,
    metrics_document,
    per_class_document,
    resampled_weights,
)
from harmonic.evaluation.contradictions import ends_of, kept
from harmonic.evaluation.metrics import uncalibrated_metrics
from harmonic.evaluation.operating_points import operating_metrics, operating_points
from harmonic.evaluation.rules import decision_rules, uncalibrated_rule
from harmonic.evaluation.subgroups import subgroup_table

ROUNDING = 1.01e-4
"""How far a figure, rounded to four digits, may lie from the one made again."""

MACHINES = 1e-3
"""How far a probability may differ between two machines that run the same network."""

SHOWN = 4
"""Lines about one file; how many more there are is said."""


@dataclass(frozen=True)
class Evidence:
    """What the files of a run are held against; test images row by row, n of them."""

    labels: NDArray[np.int64]
    lesions: NDArray[np.str_]
    """Lesion groups (n,)."""
    balanced: NDArray[np.float64]
    """Probabilities (n, 7) of predictions.csv."""
    natural: NDArray[np.float64]
    index: pd.DataFrame
    """lesion_group, sex, age, localization and dx_type of the test images."""
    class_counts: NDArray[np.int64]
    """Training images of each class (7,), as the model file has them."""
    imbalance: str
    temperature: float
    rates: Sequence[float]
    """Learning rate of the last step of each epoch, by the parameters."""
    epoch: int | None
    """The one whose weights the model file holds; None where it does not say."""
    val_labels: NDArray[np.int64]
    val_logits: NDArray[np.float64]
    """Of the network for the validation images, averaged over its views (m, 7)."""
    val_logits_one_view: NDArray[np.float64]
    resamples: int
    seed: int


def disagreements(
    evidence: Evidence,
    *,
    metrics: Mapping[str, float],
    per_class: pd.DataFrame,
    points: pd.DataFrame,
    subgroups: pd.DataFrame,
    history: pd.DataFrame,
) -> list[str]:
    """A line for each figure of the files that the evidence does not give, naming file and figure.

    Args:
        metrics: reports/metrics.json.
        per_class, points, subgroups: reports/per_class.csv, operating_points.csv, subgroups.csv.
        history: models/history.csv.
    """
    drawn: dict[str, Any] = {"resamples": evidence.resamples, "seed": evidence.seed}
    answers = Answers(evidence.labels, evidence.lesions, evidence.balanced, evidence.natural)
    weights = resampled_weights(answers.labels, answers.lesions, **drawn)
    made_points = points_again(evidence, points, answers, weights)
    uncalibrated = uncalibrated_rule(evidence.balanced, evidence.class_counts, evidence.temperature)
    figures = {
        **metrics_document(answers, weights),
        **lesion_metrics(answers, weights),
        **uncalibrated_metrics(evidence.labels, uncalibrated),
        **operating_metrics(made_points),
        "temperature": round(evidence.temperature, DIGITS),
    }
    subgroups_again = subgroup_table(evidence.index, evidence.labels, evidence.balanced, **drawn)
    return [
        *of_figures(metrics, figures),
        *of_rules(evidence.balanced, evidence.natural, evidence.class_counts),
        *of_tables("per_class.csv", ["class"], per_class, per_class_document(answers, weights)),
        *of_tables("operating_points.csv", ["target", "wanted_specificity"], points, made_points),
        *of_tables("subgroups.csv", ["column", "value"], subgroups, subgroups_again),
        *of_history(history, evidence),
    ]


def of_figures(given: Mapping[str, float], made: Mapping[str, float]) -> list[str]:
    """Plain figures come first, then the ends of their intervals."""
    names = sorted({*given, *made}, key=lambda name: (name.endswith(("_low", "_high")), name))
    lines = []
    for name in names:
        if name not in given:
            lines.append(f"{name} is missing in metrics.json")
        elif name not in made:
            lines.append(f"{name} in metrics.json is no figure of this run")
        elif not abs(given[name] - made[name]) <= ROUNDING:
            lines.append(
                f"{name} is {given[name]:.4f} in metrics.json, but {made[name]:.4f} by the "
                "predictions"
            )
    return few(lines, "metrics.json")


def of_rules(
    balanced: NDArray[np.float64], natural: NDArray[np.float64], class_counts: NDArray[np.int64]
) -> list[str]:
    """The natural rule's answers are the balanced rule's, times the frequencies of training."""
    weights = balanced * class_counts
    expected = weights / weights.sum(axis=1, keepdims=True)
    wrong = int((np.abs(natural - expected).max(axis=1) > 1e-6).sum())
    if not wrong:
        return []
    return [f"predictions_natural.csv does not follow from predictions.csv for {wrong} images"]


def of_tables(name: str, keys: Sequence[str], given: pd.DataFrame, made: pd.DataFrame) -> list[str]:
    """Rows are named by the columns `keys`; numbers may differ by ROUNDING."""
    if list(given.columns) != list(made.columns):
        return [f"{name} has other columns than evaluate writes"]
    if (
        given[[*keys]].astype(str).to_numpy().tolist()
        != made[[*keys]].astype(str).to_numpy().tolist()
    ):
        return [f"{name} has other rows than evaluate writes"]
    lines = []
    for old, new in zip(given.to_dict("records"), made.to_dict("records"), strict=True):
        row = ", ".join(str(old[key]) for key in keys)
        for column in given.columns.drop([*keys]):
            if not same(old[column], new[column]):
                lines.append(
                    f"{column} of {row} is {number(old[column])} in {name}, but "
                    f"{number(new[column])} by the predictions"
                )
    return few(lines, name)


def points_again(
    evidence: Evidence, given: pd.DataFrame, answers: Answers, weights: NDArray[np.float64]
) -> pd.DataFrame:
    """The operating points of the network; at the thresholds given, where these are as good."""
    val_balanced, _ = decision_rules(
        evidence.val_logits,
        evidence.class_counts,
        imbalance=evidence.imbalance,
        temperature=evidence.temperature,
    )
    made = operating_points(evidence.val_labels, val_balanced, answers, weights)
    if "threshold" not in given or len(given) != len(made) or made.empty:
        return made
    away = (pd.to_numeric(given.threshold, errors="coerce") - made.threshold).abs()
    if not ((away > 1e-9) & (away <= MACHINES)).any():
        return made
    close = {
        (row.target, row.wanted_specificity): float(given.threshold[number])
        for number, row in enumerate(made.itertuples())
        if away[number] <= MACHINES
    }
    return operating_points(evidence.val_labels, val_balanced, answers, weights, thresholds=close)


def of_history(history: pd.DataFrame, evidence: Evidence) -> list[str]:
    """Epochs and rates are those of the schedule, and the scores of the best are the network's."""
    name, score = "history.csv", "val_balanced_accuracy"
    if history.epoch.tolist() != list(range(1, len(history) + 1)):
        return [f"{name}: epochs are not 1, 2, 3 and so on"]
    if len(history) != len(evidence.rates):
        return [f"{name} has {len(history)} epochs, but the parameters {len(evidence.rates)}"]
    for epoch, rate, expected in zip(history.epoch, history.lr, evidence.rates, strict=True):
        if abs(rate - expected) > 1.01e-9:  # rounded to nine digits
            return [f"lr of epoch {epoch} is {rate:.9f} in {name}, but {expected:.9f} by schedule"]
    if evidence.epoch is None:
        return []
    best = int(history.epoch[history[score].idxmax()])
    if best != evidence.epoch:
        return [f"{score} in {name} is best in epoch {best}, but the model is of {evidence.epoch}"]
    ends = ends_of(
        evidence.val_labels, kept(softmax(evidence.val_logits_one_view, axis=1), MACHINES)
    )
    row = history[history.epoch == best].iloc[0]
    lines = []
    for figure in ("balanced_accuracy", "accuracy", "macro_auc"):
        value = row.get(f"val_{figure}")
        if value is None or figure not in ends:
            continue
        low, high = ends[figure]
        if not low - ROUNDING <= value <= high + ROUNDING:
            lines.append(
                f"val_{figure} of epoch {best} is {value:.4f} in {name}, but the model has "
                f"{(low + high) / 2:.4f}"
            )
    return lines


def few(lines: Sequence[str], name: str) -> list[str]:
    """The first SHOWN of the lines, and how many more there are."""
    if len(lines) <= SHOWN:
        return list(lines)
    return [*lines[:SHOWN], f"{len(lines) - SHOWN} more figures of {name}"]


def same(old: Any, new: Any) -> bool:
    if isinstance(new, str) or isinstance(old, str):
        return str(old) == str(new)
    if pd.isna(old) or pd.isna(new):
        return bool(pd.isna(old) and pd.isna(new))
    return abs(old - new) <= ROUNDING


def number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
