"""Test sets drawn from a seed: labels, lesion ids, and probabilities under both rules."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from harmonic.evaluation.rules import decision_rules

CLASS_COUNTS = np.array([779, 4693, 360, 229, 769, 80, 99])


class DrawnTestSet(NamedTuple):
    labels: NDArray[np.int64]
    lesions: NDArray[np.str_]
    balanced: NDArray[np.float64]
    natural: NDArray[np.float64]


def draw_test_set(lesions: int = 300, seed: int = 0, separation: float = 2.5) -> DrawnTestSet:
    """One to three images a lesion, all classes; logits are noise, + separation at the truth."""
    random = np.random.default_rng(seed)
    frequencies = CLASS_COUNTS / CLASS_COUNTS.sum()
    classes = np.concatenate([np.arange(7), random.choice(7, size=lesions - 7, p=frequencies)])
    images = random.choice([1, 2, 3], size=lesions, p=[0.6, 0.3, 0.1])
    ids = np.array([f"HAM_{n:07d}" for n in range(lesions)])
    labels = np.repeat(classes, images)
    logits = random.normal(size=(len(labels), 7))
    logits[np.arange(len(labels)), labels] += separation
    balanced, natural = decision_rules(
        logits.astype(np.float32), CLASS_COUNTS, imbalance="logit_adjustment", temperature=1.0
    )
    return DrawnTestSet(labels, np.repeat(ids, images), balanced, natural)


@pytest.fixture(scope="session")
def draw() -> Callable[..., DrawnTestSet]:
    return draw_test_set


@pytest.fixture(scope="session")
def drawn() -> DrawnTestSet:
    return draw_test_set()
