"""From network outputs to probabilities, under two decision rules that trade against each other.

Let z be the logits, pi the class frequencies of the training set and T > 0 a temperature. How the
loss met the imbalance says what z estimates, up to a constant per image:

- "logit_adjustment": the loss is CE(z + log pi) (the logit-adjusted loss of Menon et al. 2021,
  arXiv 2007.07314), so z + log pi is fitted to log p(y | x), and b = z to log p(x | y);
- "class_weights": cross entropy weighted by 1 / pi is least where softmax(z) is the posterior of a
  world in which all classes are equally frequent, so again b = z;
- "resampling": images are drawn from such a world, so again b = z;
- "none": z is fitted to log p(y | x), and b = z - log pi (their post-hoc adjustment);
- "focal": as "none", but for a monotone bend of the probabilities that T takes up in part.

With the balanced score b, both rules follow from one calibrated likelihood and Bayes' theorem:

    balanced = softmax(b / T)              all classes equally frequent
    natural  = softmax(b / T + log pi)     classes as frequent as in training

T scales the likelihood and leaves the frequencies alone; temperature scaling as in Guo et al.
2017 (arXiv 1706.04599) would raise pi to the power 1 / T as well. Hence the class the balanced rule
chooses does not depend on T, natural is balanced times pi made to sum to one, and a network that
knows nothing (T to infinity) answers the frequencies rather than 1/7. T is the one that minimises
the log-loss of the natural rule on the validation set; in 1 / T this loss is convex.
"""

from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax, softmax

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.checks import checked_labels, checked_scores

Imbalance = Literal["logit_adjustment", "class_weights", "focal", "resampling", "none"]

TEMPERATURE_BOUNDS = (0.05, 20.0)
"""Where `fit_temperature` looks: wide enough for any network worth calibrating, and finite when
the validation set is answered without a fault (the log-loss then falls for ever as T falls)."""


def decision_rules(
    logits: ArrayLike, class_counts: ArrayLike, *, imbalance: str, temperature: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The balanced and the natural probabilities, each float64 (n, 7); equations above.

    Args:
        logits: network outputs (n, 7), finite.
        class_counts: training images of each class (7,), each > 0.
        imbalance: how training met it, one of the above.
        temperature: T, finite and > 0.

    Raises InputError where an argument is not as described.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise InputError(f"temperature: {temperature}; allowed is a finite number above 0")
    log_prior = _log_prior(class_counts)
    with np.errstate(over="ignore"):
        scores = _balanced_scores(logits, log_prior, imbalance) / temperature
    if not np.isfinite(scores).all():
        raise InputError(f"temperature: {temperature:g}; too small for these logits")
    return softmax(scores, axis=1), softmax(scores + log_prior, axis=1)


def uncalibrated_rule(
    balanced: ArrayLike, class_counts: ArrayLike, temperature: float
) -> NDArray[np.float64]:
    """The natural rule at temperature 1, worked out from balanced probabilities (n, 7).

    As balanced = softmax(b / T), T log balanced is b up to a constant per image.
    """
    scores = temperature * np.log(np.clip(np.asarray(balanced, dtype=np.float64), 1e-300, None))
    return softmax(scores + _log_prior(class_counts), axis=1)


def fit_temperature(
    logits: ArrayLike, labels: ArrayLike, class_counts: ArrayLike, imbalance: str
) -> float:
    """The temperature with the least log-loss of the natural rule, within TEMPERATURE_BOUNDS.

    logits (n, 7) and labels (n,) are of the validation set, class_counts of the training set. Where
    no temperature is better than 1 (logits that say nothing), it is 1. Raises as `decision_rules`.
    """
    from scipy.optimize import minimize_scalar  # a third of the time that an answer takes

    known = checked_labels(labels)
    log_prior = _log_prior(class_counts)
    scores = _balanced_scores(logits, log_prior, imbalance)
    if len(scores) != len(known):
        raise InputError(f"logits: {len(scores)} rows; {len(known)} images have a label")
    rows = np.arange(len(known))

    def log_loss(log_temperature: float) -> float:
        adjusted = scores / np.exp(log_temperature) + log_prior
        return float(-log_softmax(adjusted, axis=1)[rows, known].mean())

    low, high = np.log(TEMPERATURE_BOUNDS)
    best = minimize_scalar(log_loss, bounds=(low, high), method="bounded", options={"xatol": 1e-6})
    if not best.fun < log_loss(0.0) - 1e-12:
        return 1.0
    return float(np.exp(best.x))


def _log_prior(class_counts: ArrayLike) -> NDArray[np.float64]:
    counts = np.asarray(class_counts, dtype=np.float64)
    if counts.shape != (len(CLASSES),):
        raise InputError(f"class counts: shape {counts.shape}; allowed is ({len(CLASSES)},)")
    for name, count in zip(CLASSES, counts, strict=True):
        if not 0 < count < 1e300:
            raise InputError(f"class counts: {name} has {count:g} training images; at least 1")
    return np.log(counts / counts.sum())


def _balanced_scores(
    logits: ArrayLike, log_prior: NDArray[np.float64], imbalance: str
) -> NDArray[np.float64]:
    """b of the equations above, up to a constant per image: log p(x | y)."""
    scores = checked_scores(logits, "logits")
    if imbalance in ("logit_adjustment", "class_weights", "resampling"):
        return scores
    if imbalance in ("focal", "none"):
        return scores - log_prior
    raise InputError(f"imbalance: {imbalance!r}; allowed are {', '.join(get_args(Imbalance))}")
