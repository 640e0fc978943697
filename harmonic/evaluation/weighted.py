"""Every figure over all classes (STATISTICS), of many weighted copies of a test set at once.

A resample of the images is a whole weight for each, so figures made of a confusion matrix need one
matrix product for all resamples, and an AUC one sum over ranks. In all functions B is the number of
copies, n of images, `weights` is (B, n), labels are (n,) and probabilities (n, 7), checked before;
every class of `labels` needs some weight in every row. With whole weights a figure is what it is
when image i is repeated weights[b, i] times; one row of ones gives that of the test set itself.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from harmonic.data.classes import CLASSES

Labels = NDArray[np.int64]
Floats = NDArray[np.float64]
Statistic = Callable[[Labels, Floats, Floats], Floats]
"""Labels (n,), probabilities (n, 7), weights (B, n) to a figure for each row of weights (B,)."""

CALIBRATION_BINS = 15
OF_CONFUSION = (
    *("balanced_accuracy", "macro_f1", "accuracy", "weighted_precision", "weighted_recall"),
    *("weighted_f1", "mcc"),
)
"""What the confusion matrix suffices for; the others look at probabilities."""


def weighted_confusion(labels: Labels, answers: NDArray[np.int64], weights: Floats) -> Floats:
    """Weighted confusion matrices (B, 7, 7): row the true class, column the answer."""
    size = len(CLASSES)
    cells = np.eye(size * size)[labels * size + answers]
    return (weights @ cells).reshape(-1, size, size)


def confusion_figures(confusion: Floats, present: NDArray[np.int64]) -> dict[str, Floats]:
    """Figures (B,) of confusion matrices (B, 7, 7); means over classes run over those `present`.

    Precision, recall and F1 are 0 for 0 / 0, and so is `mcc`, the Matthews correlation for many
    classes (Gorodkin 2004, equation 8).
    """
    true, answered = confusion.sum(axis=2), confusion.sum(axis=1)
    right = np.diagonal(confusion, axis1=1, axis2=2)
    with np.errstate(invalid="ignore"):
        ratios = (right / answered, right / true, 2 * right / (true + answered))
    precision, recall, f1 = map(np.nan_to_num, ratios)
    total, hits = true.sum(axis=1), right.sum(axis=1)
    share = true / total[:, None]
    covariance = hits * total - (true * answered).sum(axis=1)
    spread = (total**2 - (answered**2).sum(axis=1)) * (total**2 - (true**2).sum(axis=1))
    return {
        "balanced_accuracy": recall[:, present].mean(axis=1),
        "macro_f1": f1[:, present].mean(axis=1),
        "accuracy": hits / total,
        "weighted_precision": (share * precision).sum(axis=1),
        "weighted_recall": hits / total,
        "weighted_f1": (share * f1).sum(axis=1),
        "mcc": np.where(spread > 0, covariance / np.sqrt(np.where(spread > 0, spread, 1.0)), 0.0),
    }


def of_confusion(name: str) -> Statistic:
    def statistic(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
        confusion = weighted_confusion(labels, probabilities.argmax(axis=1), weights)
        return confusion_figures(confusion, np.unique(labels))[name]

    return statistic


def confidence_bins(probabilities: Floats) -> NDArray[np.int64]:
    """The bin, from 0, of each answer's confidence; a bin includes its upper end."""
    confidence = probabilities.max(axis=1)
    return np.clip(np.ceil(confidence * CALIBRATION_BINS) - 1, 0, CALIBRATION_BINS - 1).astype(int)


def calibration_error(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Expected calibration error of the answers, from 0 to 1 (Guo et al. 2017, section 2).

    The mean over images of |accuracy - mean confidence| of the confidence bin an image is in, with
    CALIBRATION_BINS bins of equal width; confidence is the probability of the answer.
    """
    in_bin = np.eye(CALIBRATION_BINS)[confidence_bins(probabilities)]
    hits = (probabilities.argmax(axis=1) == labels).astype(np.float64)
    excess = (hits - probabilities.max(axis=1))[:, None] * in_bin
    return np.abs(weights @ excess).sum(axis=1) / weights.sum(axis=1)


def brier(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Squared error summed over the classes, from 0 to 2."""
    true_probability = probabilities[np.arange(len(labels)), labels]
    squared_error = (probabilities**2).sum(axis=1) - 2 * true_probability + 1
    found: Floats = weights @ squared_error / weights.sum(axis=1)
    return found


def log_loss(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """In nats, probabilities clipped as scikit-learn does."""
    true_probability = probabilities[np.arange(len(labels)), labels]
    surprise = -np.log(np.maximum(true_probability, np.finfo(np.float64).eps))
    found: Floats = weights @ surprise / weights.sum(axis=1)
    return found


def weighted_auc(positive: NDArray[np.bool_], score: Floats, weights: Floats) -> Floats:
    """Weighted share of (positive, negative) pairs in the right order, ties half: (B,)."""
    return _auc(positive, score, np.ascontiguousarray(weights.T))


def _auc(positive: NDArray[np.bool_], score: Floats, by_image: Floats) -> Floats:
    """`weighted_auc` of weights (n, B): the side with more images is summed up between the scores
    of the other, so that little is left to be ranked."""
    few, many = sorted((np.flatnonzero(positive), np.flatnonzero(~positive)), key=len)
    few = few[np.argsort(score[few], kind="stable")]
    below = np.zeros((len(few) + 1, by_image.shape[1]))  # of the few, how many lie below a place
    np.cumsum(by_image[few], axis=0, out=below[1:])
    first, after = (np.searchsorted(score[few], score[many], side) for side in ("left", "right"))
    halves = np.full(2 * len(many), 0.5)  # a tie lies half in the place before, half in that after
    at_place = csr_array(
        (halves, (np.concatenate([first, after]), np.tile(many, 2))),
        shape=(len(few) + 1, len(score)),
    )
    many_above = np.einsum("pb,pb->b", at_place @ by_image, below)
    pairs = below[-1] * (by_image.sum(axis=0) - below[-1])
    area: Floats = (pairs - many_above if positive[few].any() else many_above) / pairs
    return area


def class_areas(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """AUC (B, 7) of each class against the rest; NaN for a class that has not both sides."""
    areas, by_image = np.full((len(weights), len(CLASSES)), np.nan), np.ascontiguousarray(weights.T)
    for c in np.unique(labels):
        if not np.all(labels == c):
            areas[:, c] = _auc(labels == c, probabilities[:, c], by_image)
    return areas


def macro_auc(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
    """Mean of `class_areas` (B,) over the classes of `labels`; NaN where they hold one alone."""
    found: Floats = class_areas(labels, probabilities, weights)[:, np.unique(labels)].mean(axis=1)
    return found


STATISTICS: dict[str, Statistic] = {
    **{name: of_confusion(name) for name in OF_CONFUSION},
    "macro_auc": macro_auc,
    "ece": calibration_error,
    "brier": brier,
    "log_loss": log_loss,
}
"""Every figure over all classes, by its name in metrics.json."""


@cache
def sensitivity_of(label: int) -> Statistic:
    """Share of the images of a class that are answered with it; one function for each class."""

    def statistic(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
        mine = weights * (labels == label)
        found: Floats = mine @ (probabilities.argmax(axis=1) == label) / mine.sum(1)
        return found

    return statistic


def auc_of(*classes: int) -> Statistic:
    """AUC of a class, or of several together, against the rest."""

    def statistic(labels: Labels, probabilities: Floats, weights: Floats) -> Floats:
        score = probabilities[:, classes].sum(axis=1)
        return weighted_auc(np.isin(labels, classes), score, weights)

    return statistic


def weighted_average_precision(
    positive: NDArray[np.bool_], score: Floats, weights: Floats
) -> Floats:
    """Mean precision (B,) over the recall gained at each threshold; equal scores fall together."""
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.nonzero(np.diff(score[order]))[0], len(score) - 1)
    by_score = weights[:, order]
    found = np.cumsum(by_score * positive[order], axis=1)[:, ends]
    answered = np.cumsum(by_score, axis=1)[:, ends]
    gained = np.diff(found, axis=1, prepend=0.0)
    precision = found / np.where(answered > 0, answered, 1.0)
    return (gained * precision).sum(axis=1) / found[:, -1]


def weighted_per_class(labels: Labels, probabilities: Floats, weights: Floats) -> dict[str, Floats]:
    """The figures of each class against all others, each (B, 7), under the balanced rule.

    Sensitivity, specificity, ppv, npv and f1 of the answers, auc and average_precision of the
    probability. NaN where a figure does not exist: a ppv without an answer, everything but
    specificity and npv of a class without images.
    """
    confusion = weighted_confusion(labels, probabilities.argmax(axis=1), weights)
    hits = np.diagonal(confusion, axis1=1, axis2=2)
    true, answered = confusion.sum(axis=2), confusion.sum(axis=1)
    total = weights.sum(axis=1)[:, None]
    rejected = total - true - answered + hits
    mean_precision = np.full_like(hits, np.nan)
    for c in np.unique(labels):
        one = (labels == c, probabilities[:, c], weights)
        mean_precision[:, c] = weighted_average_precision(*one)
    with np.errstate(invalid="ignore"):  # 0 / 0 is the NaN that is meant
        present = np.where(true > 0, 1.0, np.nan)
        return {
            "sensitivity": hits / true,
            "specificity": rejected / (total - true),
            "ppv": present * hits / answered,
            "npv": rejected / (total - answered),
            "f1": present * 2 * hits / (true + answered),
            "auc": class_areas(labels, probabilities, weights),
            "average_precision": mean_precision,
        }
