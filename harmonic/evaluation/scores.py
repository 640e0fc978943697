"""From a network's outputs to all that is said about it on the test set."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import (
    DIGITS,
    lesion_metrics,
    metrics_document,
    per_class_document,
    resampled_weights,
)
from harmonic.evaluation.metrics import uncalibrated_metrics
from harmonic.evaluation.operating_points import operating_metrics, operating_points
from harmonic.evaluation.rules import decision_rules


@dataclass(frozen=True)
class Scores:
    """Probabilities under both rules, and what follows from them."""

    balanced: NDArray[np.float64]
    natural: NDArray[np.float64]
    figures: dict[str, float]
    """Flat: figures, and the ends of their intervals as `_low` and `_high`."""
    per_class: pd.DataFrame
    operating_points: pd.DataFrame
    confusion: pd.DataFrame


def scores_of(
    validation: LabelledImages,
    validation_logits: NDArray,
    test: LabelledImages,
    test_logits: NDArray,
    *,
    class_counts: Sequence[int],
    imbalance: str,
    temperature: float,
    resamples: int,
    seed: int,
) -> Scores:
    """Evaluate a calibrated network.

    Args:
        validation, validation_logits: choose the thresholds of operating points.
        test, test_logits: what everything is said about.
        class_counts, imbalance, temperature: of the network; see `decision_rules`.
        resamples, seed: of the bootstrap over lesions.
    """
    rules = partial(decision_rules, class_counts=np.array(class_counts), imbalance=imbalance)
    balanced, natural = rules(test_logits, temperature=temperature)
    _, uncalibrated = rules(test_logits, temperature=1.0)
    of_validation, _ = rules(validation_logits, temperature=temperature)
    answers = Answers(test.labels, test.groups, balanced, natural)
    weights = resampled_weights(answers.labels, answers.lesions, resamples=resamples, seed=seed)
    points = operating_points(validation.labels, of_validation, answers, weights)
    figures = {
        **metrics_document(answers, weights),
        **lesion_metrics(answers, weights),
        **uncalibrated_metrics(test.labels, uncalibrated),
        **operating_metrics(points),
        "temperature": round(temperature, DIGITS),
    }
    names = np.array(CLASSES)
    return Scores(
        balanced=balanced,
        natural=natural,
        figures=figures,
        per_class=per_class_document(answers, weights),
        operating_points=points,
        confusion=pd.DataFrame(
            {"actual": names[test.labels], "predicted": names[balanced.argmax(axis=1)]}
        ),
    )
