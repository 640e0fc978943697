"""Metrics of many weighted copies of one test set at once: what resampling needs.

A resample of the images is a whole weight for each, so metrics made of a confusion matrix need one
matrix product for all resamples, and an AUC one sum over ranks. In all functions B is the number of
copies, n of images, `weights` is (B, n), labels are (n,) and probabilities (n, 7), checked before.
"""

import numpy as np
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.evaluation.metrics import CALIBRATION_BINS, confidence_bins


def weighted_metrics(
    labels: NDArray[np.int64],
    balanced: NDArray[np.float64],
    natural: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> dict[str, NDArray[np.float64]]:
    """INTERVAL_METRICS of B weighted copies of a test set, each float64 (B,).

    With whole weights it is what `headline_metrics` gives when image i is repeated weights[b, i]
    times. `weights` is (B, n); every class of `labels` needs some weight in every row.
    """
    present = np.unique(labels)
    of_balanced = weighted_confusion(labels, balanced.argmax(axis=1), weights)
    of_natural = weighted_confusion(labels, natural.argmax(axis=1), weights)
    _, recall, f1 = class_scores(of_balanced)
    precision_natural, recall_natural, f1_natural = class_scores(of_natural)
    total = weights.sum(axis=1)
    share = of_natural.sum(axis=2) / total[:, None]
    true_probability = natural[np.arange(len(labels)), labels]
    squared_error = (natural**2).sum(axis=1) - 2 * true_probability + 1
    surprise = -np.log(np.maximum(true_probability, np.finfo(np.float64).eps))
    return {
        "balanced_accuracy": recall[:, present].mean(axis=1),
        "macro_f1": f1[:, present].mean(axis=1),
        "macro_auc": weighted_macro_auc(labels, balanced, weights),
        "accuracy": np.trace(of_natural, axis1=1, axis2=2) / total,
        "weighted_precision": (share * precision_natural).sum(axis=1),
        "weighted_recall": (share * recall_natural).sum(axis=1),
        "weighted_f1": (share * f1_natural).sum(axis=1),
        "mcc": _matthews(of_natural),
        "ece": weighted_calibration_error(labels, natural, weights),
        "brier": weights @ squared_error / total,
        "log_loss": weights @ surprise / total,
    }


def weighted_confusion(
    labels: NDArray[np.int64], answers: NDArray[np.int64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted confusion matrices (B, 7, 7): row the true class, column the answer."""
    size = len(CLASSES)
    cells = np.eye(size * size)[labels * size + answers]
    return (weights @ cells).reshape(-1, size, size)


def class_scores(
    confusion: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Precision, recall and F1 of each class, each (B, 7), 0 where a denominator is 0."""
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    true, answered = confusion.sum(axis=2), confusion.sum(axis=1)
    # Where a denominator is 0, so is the numerator: hits cannot exceed either sum.
    one = np.ones_like(hits)
    precision = hits / np.where(answered > 0, answered, one)
    recall = hits / np.where(true > 0, true, one)
    f1 = 2 * hits / np.where(true + answered > 0, true + answered, one)
    return precision, recall, f1


def _matthews(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Matthews correlation (B,) for many classes (Gorodkin 2004, equation 8); 0 for 0 / 0."""
    true, answered = confusion.sum(axis=2), confusion.sum(axis=1)
    total = true.sum(axis=1)
    covariance = np.trace(confusion, axis1=1, axis2=2) * total - (true * answered).sum(axis=1)
    spread = (total**2 - (answered**2).sum(axis=1)) * (total**2 - (true**2).sum(axis=1))
    found: NDArray[np.float64] = covariance / np.sqrt(np.where(spread > 0, spread, 1.0))
    return np.where(spread > 0, found, 0.0)


def weighted_calibration_error(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Expected calibration error (B,): sum over bins of |hits - confidence|, over all weight."""
    in_bin = np.eye(CALIBRATION_BINS)[confidence_bins(probabilities)]
    hits = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    excess = (hits - probabilities.max(axis=1))[:, None] * in_bin
    return np.abs(weights @ excess).sum(axis=1) / weights.sum(axis=1)


def weighted_macro_auc(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean one-against-rest AUC (B,) over the classes that have both sides; NaN if none has."""
    areas = [
        weighted_auc(labels == c, probabilities[:, c], weights)
        for c in np.unique(labels)
        if not np.all(labels == c)
    ]
    return np.mean(areas, axis=0) if areas else np.full(len(weights), np.nan)


def weighted_auc(
    positive: NDArray[np.bool_], score: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weighted share of (positive, negative) pairs in the right order, ties half: (B,)."""
    order = np.argsort(score, kind="stable")
    starts = np.nonzero(np.diff(score[order], prepend=-np.inf))[0]
    by_score = weights[:, order]
    negatives = np.add.reduceat(by_score * ~positive[order], starts, axis=1)
    positives = np.add.reduceat(by_score * positive[order], starts, axis=1)
    below = np.cumsum(negatives, axis=1) - negatives / 2
    return (positives * below).sum(axis=1) / (positives.sum(axis=1) * negatives.sum(axis=1))


def weighted_average_precision(
    positive: NDArray[np.bool_], score: NDArray[np.float64], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Mean precision (B,) over the recall gained at each threshold; equal scores fall together."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.nonzero(np.diff(score[order]))[0], len(score) - 1)
    by_score = weights[:, order]
    found = np.cumsum(by_score * positive[order], axis=1)[:, ends]
    answered = np.cumsum(by_score, axis=1)[:, ends]
    gained = np.diff(found, axis=1, prepend=0.0)
    precision = found / np.where(answered > 0, answered, 1.0)
    return (gained * precision).sum(axis=1) / found[:, -1]


def weighted_per_class(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64], weights: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """The figures of `per_class_table` for each copy and class, each float64 (B, 7).

    NaN where a figure does not exist, in a copy or at all.
    """
    confusion = weighted_confusion(labels, probabilities.argmax(axis=1), weights)
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    true, answered = confusion.sum(axis=2), confusion.sum(axis=1)
    total = weights.sum(axis=1)[:, None]
    rejected = total - true - answered + hits
    scores = {"auc": np.full_like(hits, np.nan), "average_precision": np.full_like(hits, np.nan)}
    for c in np.unique(labels):
        positive, score = labels == c, probabilities[:, c]
        scores["average_precision"][:, c] = weighted_average_precision(positive, score, weights)
        if not positive.all():
            scores["auc"][:, c] = weighted_auc(positive, score, weights)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN that is meant
        present = np.where(true > 0, 1.0, np.nan)
        return {
            "sensitivity": hits / true,
            "specificity": rejected / (total - true),
            "ppv": present * hits / answered,
            "npv": rejected / (total - answered),
            "f1": present * 2 * hits / (true + answered),
            **scores,
        }
