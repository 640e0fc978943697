"""A lesion with several photographs as one case: its probabilities are the mean over them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harmonic.data.classes import CLASSES
from harmonic.evaluation.bootstrap import metrics_document
from harmonic.evaluation.checks import checked_lesions, checked_pair

LESION_METRICS = ("balanced_accuracy", "macro_f1", "macro_auc", "accuracy")


def by_lesion(
    labels: ArrayLike, lesions: Sequence[str] | NDArray, probabilities: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.str_], NDArray[np.float64]]:
    """Label, id and mean probabilities of each lesion, sorted by id: (L,), (L,), (L, 7).

    Raises InputError where labels, ids and probabilities do not fit together.
    """
    known, checked = checked_pair(labels, probabilities, "probabilities")
    ids = checked_lesions(lesions, len(known))
    names, first, lesion = np.unique(ids, return_index=True, return_inverse=True)
    sums = np.zeros((len(names), len(CLASSES)))
    np.add.at(sums, lesion, checked)
    return known[first], names, sums / np.bincount(lesion)[:, None]


def lesion_metrics(
    labels: ArrayLike,
    lesions: Sequence[str] | NDArray,
    balanced: ArrayLike,
    natural: ArrayLike,
    *,
    resamples: int,
    seed: int,
) -> dict[str, float]:
    """LESION_METRICS with a lesion as a case, each as `lesion_<name>`, `_low` and `_high`.

    Arguments and errors are those of `metrics_document`.
    """
    known, names, of_balanced = by_lesion(labels, lesions, balanced)
    _, _, of_natural = by_lesion(labels, lesions, natural)
    document = metrics_document(
        known, names, of_balanced, of_natural, resamples=resamples, seed=seed
    )
    wanted = [f"{name}{end}" for name in LESION_METRICS for end in ("", "_low", "_high")]
    return {f"lesion_{name}": document[name] for name in wanted if name in document}
