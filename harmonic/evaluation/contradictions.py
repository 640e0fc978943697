"""Whether a run's figures are those of its answers, as far as the kept answers determine them.

Answers are kept rounded, so a figure is known between two ends only. It is made several times: of
the answers as they were kept, and with every probability moved as far as rounding allows, towards
the truth or away from it, towards what was answered or away from it. Near-ties fall the other way
in one of these. Figures that do not only rise towards the truth are given as much again.

The natural rule's probabilities are the balanced rule's times a power of the class frequencies of
training, made to sum to one (`harmonic.evaluation.rules`), so with the class counts of the training
set its figures follow from the same answers, and with the temperature those before scaling.
"""

import re
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.evaluation.answers import Answers, lesion_means
from harmonic.evaluation.bootstrap import LESION_METRICS
from harmonic.evaluation.metrics import UNCALIBRATED, majority_baseline, metrics_of_rules
from harmonic.evaluation.operating_points import SPECIFICITIES, TARGETS
from harmonic.evaluation.predictions import KEPT_ROUNDING
from harmonic.evaluation.rules import uncalibrated_rule
from harmonic.evaluation.weighted import STATISTICS, Floats, auc_of, confidence_bins

Ends = tuple[float, float]
DIGITS_OF_FIGURES = 5.1e-5
"""Figures are rounded to four digits."""
RISING = re.compile(r"(\w+_)?(accuracy|recall|auc|brier|loss)(_\w+_rule|_uncalibrated)?")
"""What only rises, or falls, as probabilities move towards the truth."""


def contradictions(
    metrics: Mapping[str, float], answers: Answers, *, rounding: float = KEPT_ROUNDING
) -> list[str]:
    """A line for each figure that the answers cannot have given; figures they tell nothing of pass.

    Args:
        metrics: of the run, as `reports/metrics.json` or a table of runs names them.
        answers: of the run; without those of the natural rule, they are made with `class_counts`.
        rounding: how far a kept probability may lie from what it was.
    """
    lines = []
    for name, (low, high) in determined(answers, metrics.get("temperature"), rounding).items():
        value = metrics.get(name)
        if value is None or low - DIGITS_OF_FIGURES <= value <= high + DIGITS_OF_FIGURES:
            continue
        given = f"{low:.4f}" if high - low < DIGITS_OF_FIGURES else f"{low:.4f} to {high:.4f}"
        lines.append(f"{name} is {value:.4f}, but by its answers {given}")
    return lines + off_the_curve(metrics, answers, rounding)


def off_the_curve(metrics: Mapping[str, float], answers: Answers, rounding: float) -> list[str]:
    """A line for each operating point that no threshold gives; which one it was is not known."""
    lines = []
    for target, percent in product(TARGETS, (round(100 * share) for share in SPECIFICITIES)):
        point = [f"{target}_{name}_at_{percent}" for name in ("sensitivity", "specificity")]
        columns = [CLASSES.index(name) for name in TARGETS[target]]
        positive = np.isin(answers.labels, columns)
        if not set(point) <= metrics.keys() or positive.all() or not positive.any():
            continue
        found, rejected = (metrics[name] for name in point)
        kept = answers.balanced[:, columns]
        score, error = kept.sum(axis=1), error_of(kept, rounding).sum(axis=1)
        hits = round(found * positive.sum())
        # The threshold lies between the last one found and the first one missed.
        most = np.append(np.sort((score + error)[positive])[::-1], np.inf)[hits - 1 if hits else -1]
        least = np.append(np.sort((score - error)[positive])[::-1], -np.inf)[hits]
        others, errors = score[~positive], error[~positive]
        low, high = (others + errors < least).mean(), (others - errors <= most).mean()
        if abs(hits / positive.sum() - found) > DIGITS_OF_FIGURES:
            lines.append(f"{point[0]} is {found:.4f}, no share of {positive.sum()} images")
        elif not low - DIGITS_OF_FIGURES <= rejected <= high + DIGITS_OF_FIGURES:
            given = f"{low:.4f} to {high:.4f}"
            lines.append(f"{point[1]} is {rejected:.4f}, but with that sensitivity {given}")
    return lines


def determined(answers: Answers, temperature: float | None, rounding: float) -> dict[str, Ends]:
    """Name -> ends of every figure that the answers determine."""
    labels, lesions, counts = answers.labels, answers.lesions, answers.class_counts
    names, first = np.unique(lesions, return_index=True)
    once = np.ones((1, len(labels)))
    priors = None if counts is None else np.array(counts) ** answers.prior_exponent
    if answers.natural is not None:
        priors = answers.natural / np.maximum(answers.balanced, np.finfo(np.float64).tiny)

    def rules_of(balanced: Floats) -> list[Floats]:
        """The balanced rule, the natural one, and that before scaling by the least and most T."""
        if priors is None:
            return [balanced]
        natural = balanced * priors
        found = [balanced, natural / natural.sum(axis=1, keepdims=True)]
        if counts is not None and temperature:
            powers = (temperature - DIGITS_OF_FIGURES, temperature + DIGITS_OF_FIGURES)
            found += [uncalibrated_rule(balanced, counts, power) for power in powers]
        return found

    def figures_of(balanced: Floats, natural: Floats | None = None) -> dict[str, float]:
        found = metrics_of_rules(labels, balanced, natural)
        of_lesions = metrics_of_rules(
            labels[first],
            lesion_means(lesions, balanced),
            None if natural is None else lesion_means(lesions, natural),
        )
        found |= {
            f"lesion_{name}": of_lesions[name] for name in LESION_METRICS if name in of_lesions
        }
        for target, classes in TARGETS.items():
            area = auc_of(*map(CLASSES.index, classes))
            with np.errstate(invalid="ignore"):  # NaN where all or none are of the target
                found[f"{target}_auc"] = float(area(labels, balanced, once)[0])
        return found

    answered = [rule.argmax(axis=1) for rule in rules_of(answers.balanced)[:2]]
    rules = [rules_of(one) for one in moved_within(answers.balanced, [labels, *answered], rounding)]
    bins = np.array([[confidence_bins(rule) for rule in one] for one in rules])
    in_another = float((np.ptp(bins, axis=0) > 0).mean(axis=1).max())
    found = [figures_of(*one[:2]) for one in rules] + [
        {f"{name}_uncalibrated": STATISTICS[name](labels, p, once)[0] for name in UNCALIBRATED}
        for one in rules
        for p in one[2:]
    ]
    certain = {"test_images": len(labels), "test_lesions": len(names)} | majority_baseline(labels)
    return ends_of(found, in_another) | {name: (one, one) for name, one in certain.items()}


def moved_within(
    kept: Floats, favoured: Sequence[NDArray[np.int64]], rounding: float
) -> list[Floats]:
    """Probabilities (n, 7) moved as far as rounding allows, to favoured classes (n,) and away."""
    error = error_of(kept, rounding)
    moves = [error * (2 * np.eye(len(CLASSES))[classes] - 1) for classes in favoured]
    return [np.clip(kept + sign * move, 0, 1) for move in moves for sign in (1, -1)]


def ends_of(found: Sequence[Mapping[str, float]], in_another_bin: float = 0.0) -> dict[str, Ends]:
    """Least and greatest of each figure, and as much again unless it is RISING.

    in_another_bin: share of images whose confidence may be in another bin, which moves an ECE.
    """
    table = pd.DataFrame(found).dropna(axis=1, how="all")
    ends = {}
    for name, low, high in zip(table, table.min(), table.max(), strict=True):
        more = 0.0 if RISING.fullmatch(name) else high - low
        more += 2 * in_another_bin if name.startswith("ece") else 0.0
        ends[name] = (low - more, high + more)
    return ends


def error_of(kept: Floats, rounding: float) -> Floats:
    """How far rounded probabilities may be off, which may have been made to sum to one since."""
    return rounding * (1 + len(CLASSES) * kept)
