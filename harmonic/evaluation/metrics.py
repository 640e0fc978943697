"""What a classifier is worth on a test set: figures of merit over all classes and for each class.

Probabilities come from two decision rules (`harmonic.evaluation.rules`). Each metric is at home
under one of them and bears its plain name there; under the other rule it has a suffix.
"""

import warnings

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk

from harmonic.data.classes import CLASSES
from harmonic.evaluation.checks import checked_labels, checked_pair

BALANCED_METRICS = ("balanced_accuracy", "macro_f1", "macro_auc")
"""At home under the balanced rule: every class weighs the same."""

NATURAL_METRICS = (
    "accuracy",
    "weighted_precision",
    "weighted_recall",
    "weighted_f1",
    "mcc",
    "ece",
    "brier",
    "log_loss",
)
"""At home under the natural rule: every image weighs the same, and probabilities are meant."""

CALIBRATION_BINS = 15


def headline_metrics(
    labels: ArrayLike, balanced: ArrayLike, natural: ArrayLike
) -> dict[str, float]:
    """All metrics of both rules, and of the baseline that always answers the commonest class.

    BALANCED_METRICS are of `balanced`, with `_natural_rule` appended of `natural`;
    NATURAL_METRICS are of `natural`, with `_balanced_rule` appended of `balanced`.
    `majority_` with any of these names is `majority_baseline`.

    The answer is the class of the highest probability, the first of equals. Means over classes run
    over the classes that `labels` holds; a precision without any answer of its class is 0.
    `macro_auc` is the mean of one class against the rest, NaN if no class has both sides (a single
    image). `mcc` (Matthews) is 0 where it is not defined. `ece`: see `calibration_error`. `brier`
    is the sum over classes of the squared error, from 0 to 2. `log_loss` is in nats.

    Args:
        labels: class numbers (n,), n >= 1.
        balanced: probabilities (n, 7) under the balanced rule.
        natural: probabilities (n, 7) under the natural rule.

    Raises:
        InputError: shapes differ, or an entry is NaN or no probability; names rule and row.
    """
    known, of_balanced = checked_pair(labels, balanced, "balanced probabilities")
    known, of_natural = checked_pair(labels, natural, "natural probabilities")
    under_balanced, under_natural = _metrics(known, of_balanced), _metrics(known, of_natural)
    result = {}
    for name in BALANCED_METRICS:
        result[name] = under_balanced[name]
        result[f"{name}_natural_rule"] = under_natural[name]
    for name in NATURAL_METRICS:
        result[name] = under_natural[name]
        result[f"{name}_balanced_rule"] = under_balanced[name]
    return result | majority_baseline(known)


def majority_baseline(labels: ArrayLike) -> dict[str, float]:
    """Every metric, after `majority_`, of answering each image with the frequencies of `labels`.

    So the answer is always the commonest class, and the probabilities know the test set's
    frequencies but not the image: the best that can be had without looking.
    """
    known = checked_labels(labels)
    frequencies = np.bincount(known, minlength=len(CLASSES)) / len(known)
    found = _metrics(known, np.tile(frequencies, (len(known), 1)))
    return {f"majority_{name}": value for name, value in found.items()}


def uncalibrated_metrics(labels: ArrayLike, natural: ArrayLike) -> dict[str, float]:
    """`ece_uncalibrated`, `brier_uncalibrated` and `log_loss_uncalibrated`, to four digits.

    `natural` are the probabilities (n, 7) of the natural rule at temperature 1.
    """
    found = _metrics(*checked_pair(labels, natural, "uncalibrated probabilities"))
    return {f"{name}_uncalibrated": round(found[name], 4) for name in ("ece", "brier", "log_loss")}


def calibration_error(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    """Expected calibration error of the answers, from 0 to 1 (Guo et al. 2017, section 2).

    The mean over images of |accuracy - mean confidence| of the confidence bin an image is in, with
    CALIBRATION_BINS bins of equal width; confidence is the probability of the answer.
    """
    table = reliability_table(labels, probabilities)
    gaps = (table["accuracy"] - table["confidence"]).abs()
    return float((table["n"] * gaps).sum() / table["n"].sum())


def reliability_table(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> pd.DataFrame:
    """Per confidence bin that holds an image: low, high, n, confidence and accuracy (means)."""
    bins = confidence_bins(probabilities)
    found = pd.DataFrame(
        {
            "bin": bins,
            "confidence": probabilities.max(axis=1),
            "accuracy": (probabilities.argmax(axis=1) == labels).astype(np.float64),
        }
    ).groupby("bin")
    table = found.mean()
    table.insert(0, "n", found.size())
    table.insert(0, "high", (table.index + 1) / CALIBRATION_BINS)
    table.insert(0, "low", table.index / CALIBRATION_BINS)
    return table.reset_index(drop=True)


def confidence_bins(probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin, from 0, of each answer's confidence; a bin includes its upper end."""
    confidence = probabilities.max(axis=1)
    return np.clip(np.ceil(confidence * CALIBRATION_BINS) - 1, 0, CALIBRATION_BINS - 1).astype(int)


def per_class_table(labels: ArrayLike, balanced: ArrayLike) -> pd.DataFrame:
    """One row a class of CLASSES: how well it is told from all others, under the balanced rule.

    Columns: class, n (images), sensitivity, specificity, ppv, npv, f1 (of the answers), auc and
    average_precision (of the probability). NaN where a figure does not exist: a ppv without an
    answer, everything but specificity and npv of a class without images.

    Raises:
        InputError: as `headline_metrics`.
    """
    known, probabilities = checked_pair(labels, balanced, "balanced probabilities")
    classes = np.arange(len(CLASSES))
    answers = probabilities.argmax(axis=1)
    (tn, fp), (fn, tp) = np.moveaxis(
        sk.multilabel_confusion_matrix(known, answers, labels=classes), 0, -1
    )
    present, absent = tp + fn > 0, tn + fp > 0
    auc = np.full(len(classes), np.nan)
    average_precision = np.full(len(classes), np.nan)
    for c in classes[present]:
        average_precision[c] = sk.average_precision_score(known == c, probabilities[:, c])
    for c in classes[present & absent]:
        auc[c] = sk.roc_auc_score(known == c, probabilities[:, c])
    return pd.DataFrame(
        {
            "class": CLASSES,
            "n": tp + fn,
            "sensitivity": _ratio(tp, tp + fn),
            "specificity": _ratio(tn, tn + fp),
            "ppv": np.where(present, _ratio(tp, tp + fp), np.nan),
            "npv": _ratio(tn, tn + fn),
            "f1": np.where(present, _ratio(2 * tp, 2 * tp + fp + fn), np.nan),
            "auc": auc,
            "average_precision": average_precision,
        }
    )


def _metrics(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, float]:
    classes = np.arange(len(CLASSES))
    present = np.unique(labels)
    answers = probabilities.argmax(axis=1)
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        labels, answers, labels=present, average="weighted", zero_division=0
    )
    with warnings.catch_warnings():
        # scikit-learn warns of answers of a class the test set lacks, and of a single class.
        warnings.simplefilter("ignore", UserWarning)
        balanced_accuracy = sk.balanced_accuracy_score(labels, answers)
        mcc = sk.matthews_corrcoef(labels, answers)
    return {
        "balanced_accuracy": float(balanced_accuracy),
        "macro_f1": float(
            sk.f1_score(labels, answers, labels=present, average="macro", zero_division=0)
        ),
        "macro_auc": _macro_auc(labels, probabilities),
        "accuracy": float(sk.accuracy_score(labels, answers)),
        "weighted_precision": float(precision),
        "weighted_recall": float(recall),
        "weighted_f1": float(f1),
        "mcc": float(mcc),
        "ece": calibration_error(labels, probabilities),
        "brier": float(sk.brier_score_loss(labels, probabilities, labels=classes)),
        "log_loss": float(sk.log_loss(labels, probabilities, labels=classes)),
    }


def _macro_auc(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> float:
    areas = [
        sk.roc_auc_score(labels == c, probabilities[:, c])
        for c in np.unique(labels)
        if not np.all(labels == c)
    ]
    return float(np.mean(areas)) if areas else float("nan")


def _ratio(numerator: NDArray, denominator: NDArray) -> NDArray[np.float64]:
    """Elementwise quotient, NaN where the denominator is 0."""
    return np.divide(
        numerator,
        denominator,
        out=np.full(np.shape(numerator), np.nan),
        where=np.asarray(denominator) > 0,
    )
