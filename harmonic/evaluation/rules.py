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

With the balanced score b, both rules follow from one likelihood and Bayes' theorem, to powers:

    balanced = softmax(b / T)                all classes equally frequent
    natural  = softmax(b / T + s log pi)     classes as frequent as in training

Training makes answers too flat (soft targets) or too steep (overfitting), and the loss decides of
what: label smoothing and mixing flatten the posterior where the loss looks at that, its frequencies
included (then s = 1 / T, temperature scaling as in Guo et al. 2017, arXiv 1706.04599), and the
likelihood where images are resampled (then s = 1). So both powers are fitted: they minimise the
log-loss of the natural rule on the validation set, which is convex in 1 / T and s. The class that
the balanced rule chooses depends on neither, and natural is balanced times pi to the power s, made
to sum to one. results/calibration.md has the measurements behind this choice.
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
"""Where `fit_calibration` looks: wide enough for any network worth calibrating, and finite when
the validation set is answered without a fault (the log-loss then falls for ever as T falls)."""
EXPONENT_BOUNDS = (0.0, 20.0)
CALIBRATION_DIGITS = 6
"""Of T and s: coarser than what machines differ in, finer than what a validation set tells."""


def decision_rules(
    logits: ArrayLike,
    class_counts: ArrayLike,
    *,
    imbalance: str,
    temperature: float,
    prior_exponent: float = 1.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The balanced and the natural probabilities, each float64 (n, 7); equations above.

    Args:
        logits: network outputs (n, 7), finite.
        class_counts: training images of each class (7,), each > 0.
        imbalance: how training met it, one of the above.
        temperature: T, finite and > 0.
        prior_exponent: s, finite and at least 0.

    Raises InputError where an argument is not as described.
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise InputError(f"temperature: {temperature}; allowed is a finite number above 0")
    if not (np.isfinite(prior_exponent) and prior_exponent >= 0):
        raise InputError(f"prior exponent: {prior_exponent}; allowed is a finite number from 0")
    log_prior = _log_prior(class_counts)
    with np.errstate(over="ignore"):
        scores = _balanced_scores(logits, log_prior, imbalance) / temperature
    if not np.isfinite(scores).all():
        raise InputError(f"temperature: {temperature:g}; too small for these logits")
    return softmax(scores, axis=1), softmax(scores + prior_exponent * log_prior, axis=1)


def uncalibrated_rule(
    balanced: ArrayLike, class_counts: ArrayLike, temperature: float
) -> NDArray[np.float64]:
    """The natural rule at temperature 1, worked out from balanced probabilities (n, 7).

    As balanced = softmax(b / T), T log balanced is b up to a constant per image.
    """
    scores = temperature * np.log(np.clip(np.asarray(balanced, dtype=np.float64), 1e-300, None))
    return softmax(scores + _log_prior(class_counts), axis=1)


def fit_calibration(
    logits: ArrayLike, labels: ArrayLike, class_counts: ArrayLike, imbalance: str
) -> tuple[float, float]:
    """The temperature and the prior exponent with the least log-loss of the natural rule.

    Within TEMPERATURE_BOUNDS and EXPONENT_BOUNDS. logits (n, 7) and labels (n,) are of the
    validation set, class_counts of the training set. Both are 1 where nothing is better.
    Raises as `decision_rules`.
    """
    from scipy.optimize import minimize  # a third of the time that an answer takes

    known = checked_labels(labels)
    log_prior = _log_prior(class_counts)
    scores = _balanced_scores(logits, log_prior, imbalance)
    if len(scores) != len(known):
        raise InputError(f"logits: {len(scores)} rows; {len(known)} images have a label")
    rows, terms = (
        np.arange(len(known)),
        np.stack([scores, np.broadcast_to(log_prior, scores.shape)]),
    )

    def log_loss(powers: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """With its gradient."""
        log_natural = log_softmax(np.tensordot(powers, terms, axes=1), axis=1)
        expected = (np.exp(log_natural) * terms).sum(axis=2)
        return -log_natural[rows, known].mean(), (expected - terms[:, rows, known]).mean(axis=1)

    low, high = TEMPERATURE_BOUNDS
    best = minimize(
        log_loss,
        np.ones(2),
        jac=True,
        method="L-BFGS-B",
        bounds=[(1 / high, 1 / low), EXPONENT_BOUNDS],
        options={"ftol": 1e-15, "gtol": 1e-9},
    )
    if not best.fun < log_loss(np.ones(2))[0] - 1e-12:
        return 1.0, 1.0
    steepness, exponent = map(float, best.x)
    return round(1 / steepness, CALIBRATION_DIGITS), round(exponent, CALIBRATION_DIGITS)


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
