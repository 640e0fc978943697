"""Whether a run's figures are those of its answers, as far as the kept answers determine them.

Answers are kept rounded, so a figure is not known to the last digit but within two ends: each
probability lies between a least and a greatest value, and so does what is made of it. Which class
an image was answered with may be open where two probabilities are as good as equal; the order of
two images where their probabilities are. A figure of the run outside its ends is contradicted.

The natural rule's probabilities are the balanced rule's times the class frequencies of training,
made to sum to one (`harmonic.evaluation.rules`), so with the class counts of the training set its
figures follow from the same answers; with the temperature T, those before scaling do as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harmonic.data.classes import CLASSES
from harmonic.evaluation.answers import Answers, lesion_means
from harmonic.evaluation.bootstrap import LESION_METRICS
from harmonic.evaluation.metrics import (
    BALANCED_METRICS,
    NATURAL_METRICS,
    UNCALIBRATED,
    majority_baseline,
)
from harmonic.evaluation.operating_points import SPECIFICITIES, TARGETS
from harmonic.evaluation.predictions import KEPT_ROUNDING
from harmonic.evaluation.weighted import (
    calibration_error,
    confidence_bins,
    confusion_figures,
    weighted_auc,
    weighted_confusion,
)

Ends = tuple[float, float]
DIGITS_OF_FIGURES = 5.1e-5
"""Figures are rounded to four digits."""


@dataclass(frozen=True)
class Known:
    """Probabilities (n, 7) as they were kept, and the least and most that each may have been."""

    kept: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


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
    balanced = kept(answers.balanced, rounding)
    for target, percent in product(TARGETS, (round(100 * share) for share in SPECIFICITIES)):
        point = [f"{target}_{name}_at_{percent}" for name in ("sensitivity", "specificity")]
        columns = [CLASSES.index(name) for name in TARGETS[target]]
        positive = np.isin(answers.labels, columns)
        if not set(point) <= metrics.keys() or positive.all() or not positive.any():
            continue
        found, rejected = (metrics[name] for name in point)
        low, high = (p[:, columns].sum(axis=1) for p in (balanced.low, balanced.high))
        hits = round(found * positive.sum())
        # The threshold lies between the last one found and the first one missed.
        most = np.append(np.sort(high[positive])[::-1], np.inf)[hits - 1 if hits else -1]
        least = np.append(np.sort(low[positive])[::-1], -np.inf)[hits]
        ends = ((high[~positive] < least).mean(), (low[~positive] <= most).mean())
        if abs(hits / positive.sum() - found) > DIGITS_OF_FIGURES:
            lines.append(f"{point[0]} is {found:.4f}, no share of {positive.sum()} images")
        elif not ends[0] - DIGITS_OF_FIGURES <= rejected <= ends[1] + DIGITS_OF_FIGURES:
            given = " to ".join(f"{end:.4f}" for end in ends)
            lines.append(f"{point[1]} is {rejected:.4f}, but with that sensitivity {given}")
    return lines


def determined(answers: Answers, temperature: float | None, rounding: float) -> dict[str, Ends]:
    """Name -> ends of every figure that the answers determine."""
    labels, class_counts = answers.labels, answers.class_counts
    balanced = kept(answers.balanced, rounding)
    natural = None
    if answers.natural is not None:
        natural = kept(answers.natural, rounding)
    elif class_counts is not None:
        natural = natural_rule(balanced, class_counts, (1.0, 1.0))
    names, first = np.unique(answers.lesions, return_index=True)
    found = {name: (value, value) for name, value in majority_baseline(labels).items()}
    found |= {"test_images": (len(labels),) * 2, "test_lesions": (len(names),) * 2}
    for known, at_home, others, suffix in (
        (balanced, BALANCED_METRICS, NATURAL_METRICS, "_balanced_rule"),
        (natural, NATURAL_METRICS, BALANCED_METRICS, "_natural_rule"),
    ):
        if known is None:
            continue
        ends = ends_of(labels, known)
        found |= {name: ends[name] for name in at_home if name in ends}
        found |= {f"{name}{suffix}": ends[name] for name in others if name in ends}
        ends = ends_of(labels[first], averaged(known, answers.lesions))
        found |= {
            f"lesion_{name}": ends[name]
            for name in LESION_METRICS
            if name in at_home and name in ends
        }
    for target, classes in TARGETS.items():
        columns = [CLASSES.index(name) for name in classes]
        positive = np.isin(labels, columns)
        if 0 < positive.sum() < len(labels):
            low, high = (p[:, columns].sum(axis=1) for p in (balanced.low, balanced.high))
            found[f"{target}_auc"] = auc_ends(positive, low, high)
    if class_counts is not None and temperature:
        powers = (temperature - DIGITS_OF_FIGURES, temperature + DIGITS_OF_FIGURES)
        ends = ends_of(labels, natural_rule(balanced, class_counts, powers))
        found |= {f"{name}_uncalibrated": ends[name] for name in UNCALIBRATED}
    return found


def kept(probabilities: NDArray[np.float64], rounding: float) -> Known:
    """Rounded probabilities, which may have been made to sum to one since."""
    error = rounding * (1 + len(CLASSES) * probabilities)
    return Known(
        probabilities,
        np.clip(probabilities - error, 0, 1),
        np.clip(probabilities + error, 0, 1),
    )


def natural_rule(balanced: Known, class_counts: ArrayLike, powers: tuple[float, float]) -> Known:
    """Probabilities to a power between the two, times the frequencies of training, summing to 1."""
    counts = np.asarray(class_counts, dtype=np.float64)
    prior = counts / counts.sum()
    least, most = powers
    weights = balanced.kept ** (sum(powers) / 2) * prior
    low, high = balanced.low**most * prior, balanced.high**least * prior
    others_low = low.sum(axis=1, keepdims=True) - low
    others_high = high.sum(axis=1, keepdims=True) - high
    return Known(
        weights / weights.sum(axis=1, keepdims=True),
        low / (low + others_high),
        high / (high + others_low),
    )


def averaged(known: Known, lesions: NDArray[np.str_]) -> Known:
    """The mean over the images of each lesion, (lesions, 7)."""
    return Known(*(lesion_means(lesions, one) for one in (known.kept, known.low, known.high)))


def ends_of(labels: NDArray[np.int64], known: Known) -> dict[str, Ends]:
    """Ends of each figure of one rule; `macro_auc` only where it exists."""
    rows, images = np.arange(len(labels)), len(labels)
    chosen = known.kept.argmax(axis=1)
    open_to = known.high >= known.low[rows, chosen][:, None]
    open_to[rows, chosen] = False
    ends = ends_of_answers(labels, chosen, open_to)

    confidence = [known.low.max(axis=1), known.high.max(axis=1)]
    moved = confidence_bins(known.low) != confidence_bins(known.high)
    error = float(calibration_error(labels, known.kept, np.ones((1, images)))[0])
    slack = (confidence[1] - confidence[0]).sum() + 2 * moved.sum() + open_to.any(axis=1).sum()
    ends["ece"] = (error - slack / images, error + slack / images)

    true = np.eye(len(CLASSES))[labels] == 1
    least = np.where(true, 1 - known.high, known.low) ** 2
    most = np.where(true, 1 - known.low, known.high) ** 2
    ends["brier"] = (float(least.sum() / images), float(most.sum() / images))
    smallest = np.finfo(np.float64).eps  # as scikit-learn clips
    low, high = (
        float(-np.log(np.clip(p[rows, labels], smallest, 1)).mean())
        for p in (known.high, known.low)
    )
    ends["log_loss"] = (low, high)

    areas = [
        auc_ends(labels == c, known.low[:, c], known.high[:, c])
        for c in np.unique(labels)
        if not np.all(labels == c)
    ]
    if areas:
        low, high = np.mean(areas, axis=0)
        ends["macro_auc"] = (float(low), float(high))
    return ends


def ends_of_answers(
    labels: NDArray[np.int64], chosen: NDArray[np.int64], open_to: NDArray[np.bool_]
) -> dict[str, Ends]:
    """Of figures that look at the answers alone; `open_to` (n, 7) are answers as good as chosen.

    Each open answer moves a figure by so much; the moves are added up, and doubled, as in F1,
    precision and correlation they are not quite a sum.
    """
    size = len(CLASSES)
    whole = weighted_confusion(labels, chosen, np.ones((1, len(labels))))[0]
    images, others = np.nonzero(open_to)
    moved = np.repeat(whole[None], len(images), axis=0)
    number = np.arange(len(images))
    moved[number, labels[images], chosen[images]] -= 1
    moved[number, labels[images], others] += 1
    every = np.concatenate([whole[None], moved.reshape(-1, size, size)])
    figures = confusion_figures(every, np.unique(labels))
    ends = {}
    for name, values in figures.items():
        moves = 2 * (values[1:] - values[0])
        ends[name] = (
            float(values[0] + np.minimum(moves, 0).sum()),
            float(values[0] + np.maximum(moves, 0).sum()),
        )
    return ends


def auc_ends(
    positive: NDArray[np.bool_], low: NDArray[np.float64], high: NDArray[np.float64]
) -> Ends:
    """The area where every positive is as low and every negative as high as it may be, and back."""
    once = np.ones((1, len(positive)))
    return (
        float(weighted_auc(positive, np.where(positive, low, high), once)[0]),
        float(weighted_auc(positive, np.where(positive, high, low), once)[0]),
    )
