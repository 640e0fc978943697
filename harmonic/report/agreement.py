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

ASKED_AGAIN = 0.01
"""The same between processors and GPUs, whose convolutions may have ten bits (TF32)."""

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
    tried: NDArray[np.int64]
    """Rows of the test images that the network was asked again (k,)."""
    tried_logits: NDArray[np.float64]
    """What it said to them, averaged over its views (k, 7)."""
    val_labels: NDArray[np.int64]
    val_logits: NDArray[np.float64]
    """Of the network for the validation images, averaged over its views (m, 7)."""
    val_logits_one_view: NDArray[np.float64]
    val_loss: float
    """Of these, as training has it."""
    resamples: int
    seed: int


def disagreements(
    evidence: Evidence,
    metrics: Mapping[str, float],
    history: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
) -> list[str]:
    """A line for each figure of the files that the evidence does not give, naming file and figure.

    `history`: models/history.csv. `tables`: per_class, operating_points and subgroups.
    """
    drawn: dict[str, Any] = {"resamples": evidence.resamples, "seed": evidence.seed}
    answers = Answers(evidence.labels, evidence.lesions, evidence.balanced, evidence.natural)
    weights = resampled_weights(answers.labels, answers.lesions, **drawn)
    points = points_again(evidence, tables["operating_points"], answers, weights)
    uncalibrated = uncalibrated_rule(evidence.balanced, evidence.class_counts, evidence.temperature)
    figures = {
        **metrics_document(answers, weights),
        **lesion_metrics(answers, weights),
        **uncalibrated_metrics(evidence.labels, uncalibrated),
        **operating_metrics(points),
        "temperature": round(evidence.temperature, DIGITS),
    }
    per_class = per_class_document(answers, weights)
    subgroups = subgroup_table(evidence.index, evidence.labels, evidence.balanced, **drawn)
    return [
        *of_figures("metrics.json", metrics, figures),
        *of_rules(evidence),
        *of_network(evidence),
        *of_tables("per_class", ["class"], tables, per_class),
        *of_tables("operating_points", ["target", "wanted_specificity"], tables, points),
        *of_tables("subgroups", ["column", "value"], tables, subgroups),
        *of_history(history, evidence),
    ]


def of_figures(file: str, given: Mapping[str, Any], made: Mapping[str, Any]) -> list[str]:
    """Figures that differ by more than ROUNDING from those made again; interval ends come last."""
    lines = []
    for name in sorted({**given, **made}, key=lambda name: name.endswith(("_low", "_high"))):
        if name not in given:
            lines.append(f"{name} is missing in {file}")
        elif name not in made:
            lines.append(f"{name} in {file} is no figure of this run")
        elif not same(given[name], made[name]):
            old, new = number(given[name]), number(made[name])
            lines.append(f"{name} is {old} in {file}, but {new} by the predictions")
    return few(lines, file)


def of_rules(evidence: Evidence) -> list[str]:
    """The natural rule's answers are the balanced rule's, times the frequencies of training."""
    weights = evidence.balanced * evidence.class_counts
    expected = weights / weights.sum(axis=1, keepdims=True)
    wrong = int((np.abs(evidence.natural - expected).max(axis=1) > 1e-6).sum())
    if not wrong:
        return []
    return [f"predictions_natural.csv does not follow from predictions.csv for {wrong} images"]


def balanced_rule(logits: NDArray[np.float64], evidence: Evidence) -> NDArray[np.float64]:
    rule = {"imbalance": evidence.imbalance, "temperature": evidence.temperature}
    return decision_rules(logits, evidence.class_counts, **rule)[0]  # type: ignore[arg-type]


def of_network(evidence: Evidence) -> list[str]:
    """The answers to the images that were tried are those that the network gives."""
    given = evidence.balanced[evidence.tried]
    away = np.abs(given - balanced_rule(evidence.tried_logits, evidence)).max(axis=1)
    wrong = evidence.index.index[evidence.tried[away > ASKED_AGAIN]]
    if wrong.empty:
        return []
    tried = f"{len(wrong)} of {len(away)} images tried, {wrong[0]} the first"
    return [f"predictions.csv has other answers than the network for {tried}"]


def of_tables(
    table: str, keys: list[str], tables: Mapping[str, pd.DataFrame], made: pd.DataFrame
) -> list[str]:
    """Rows are named by the columns `keys`; numbers may differ by ROUNDING."""
    name, given = f"{table}.csv", tables[table]
    if list(given.columns) != list(made.columns):
        return [f"{name} has other columns than evaluate writes"]
    if not given[keys].astype(str).equals(made[keys].astype(str)):
        return [f"{name} has other rows than evaluate writes"]
    return of_figures(name, cells_of(given, keys), cells_of(made, keys))


def cells_of(table: pd.DataFrame, keys: list[str]) -> dict[str, Any]:
    """Every figure of a table, by its column and what its row is called in the columns `keys`."""
    return {
        f"{column} of {', '.join(str(row[key]) for key in keys)}": row[column]
        for row in table.to_dict("records")
        for column in table.columns.drop(keys)
    }


def points_again(
    evidence: Evidence, given: pd.DataFrame, answers: Answers, weights: NDArray[np.float64]
) -> pd.DataFrame:
    """The operating points of the network; at the thresholds given, where these are as good."""
    val_balanced = balanced_rule(evidence.val_logits, evidence)
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
    name = "history.csv"
    if history.epoch.tolist() != list(range(1, len(history) + 1)):
        return [f"{name}: epochs are not 1, 2, 3 and so on"]
    if len(history) != len(evidence.rates):
        return [f"{name} has {len(history)} epochs, but the parameters {len(evidence.rates)}"]
    for epoch, rate, expected in zip(history.epoch, history.lr, evidence.rates, strict=True):
        if abs(rate - expected) > 1.01e-9:  # rounded to nine digits
            return [f"lr of epoch {epoch} is {rate:.9f} in {name}, but {expected:.9f} by schedule"]
    if evidence.epoch is None:
        return []
    row = history.loc[history.val_balanced_accuracy.idxmax()]
    best = int(row.epoch)
    if best != evidence.epoch:
        return [
            f"val_balanced_accuracy in {name} is best in epoch {best}, but the model is of "
            f"{evidence.epoch}"
        ]
    answers = kept(softmax(evidence.val_logits_one_view, axis=1), MACHINES)
    ends = ends_of(evidence.val_labels, answers)
    lines = []
    if not np.isclose(row.val_loss, evidence.val_loss, rtol=0.01, atol=MACHINES):
        lines.append(
            f"val_loss of epoch {best} is {row.val_loss:.4f} in {name}, but the model has "
            f"{evidence.val_loss:.4f}"
        )
    for figure in ends.keys() & {"balanced_accuracy", "accuracy", "macro_auc"}:
        value, (low, high) = row[f"val_{figure}"], ends[figure]
        if not low - ROUNDING <= value <= high + ROUNDING:
            lines.append(
                f"val_{figure} of epoch {best} is {value:.4f} in {name}, but the model has "
                f"{(low + high) / 2:.4f}"
            )
    return sorted(lines)


def few(lines: list[str], name: str) -> list[str]:
    """The first SHOWN of the lines, and how many more there are."""
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], f"{more} more figures of {name}"] if more > 0 else lines


def same(old: Any, new: Any) -> bool:
    if isinstance(new, str) or isinstance(old, str):
        return str(old) == str(new)
    return bool(np.isclose(old, new, rtol=0, atol=ROUNDING, equal_nan=True))


def number(value: Any) -> str:
    return f"{value:.4f}" if isinstance(value, float) else str(value)
