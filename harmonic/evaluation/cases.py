"""Which test images to look at: where the network was surest, right and wrong."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES


def confident_mistakes(
    labels: NDArray[np.int64],
    lesions: Sequence[str] | NDArray,
    probabilities: NDArray[np.float64],
    count: int,
) -> list[int]:
    """Rows of the `count` most confident wrong answers, one a lesion, the surest first."""
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    rows: list[int] = []
    seen: set[str] = set()
    for row in np.argsort(-confidence, kind="stable").tolist():
        lesion = str(lesions[row])
        if answers[row] != labels[row] and lesion not in seen and len(rows) < count:
            seen.add(lesion)
            rows.append(row)
    return rows


def confident_hits(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> list[int]:
    """The row of the most confident right answer of each class that has one."""
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    rows = []
    for label in range(len(CLASSES)):
        right = np.flatnonzero((labels == label) & (answers == label))
        if len(right):
            rows.append(int(right[confidence[right].argmax()]))
    return rows
