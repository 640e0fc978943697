"""Refuses labels, lesion ids, scores and probabilities that no metric could be trusted on."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError

ROW_SUM_TOLERANCE = 1e-6 * len(CLASSES)
"""How far a row may sum from one: above float32 rounding and six written digits a column, and
below anything that was not meant as a distribution."""


def checked_labels(labels: ArrayLike) -> NDArray[np.int64]:
    """Class numbers as int64 (n,), n >= 1, each an index of CLASSES. Raises InputError."""
    array = np.asarray(labels)
    if array.ndim != 1 or array.size == 0:
        raise InputError(f"labels: shape {array.shape}; one class number per image is needed")
    if not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"labels: type {array.dtype}; whole numbers are needed")
    outside = array[(array < 0) | (array >= len(CLASSES))]
    if outside.size:
        raise InputError(f"labels: class {outside[0]}; allowed are 0 to {len(CLASSES) - 1}")
    return array.astype(np.int64)


def checked_lesions(lesions: Sequence[str] | NDArray, count: int) -> NDArray[np.str_]:
    """Lesion ids as text (count,). Raises InputError when there is not one for each image."""
    array = np.asarray(lesions).astype(str)
    if array.shape != (count,):
        raise InputError(f"lesions: shape {array.shape}; one id for each of {count} images needed")
    return array


def checked_scores(
    scores: ArrayLike, name: str, image_ids: Sequence[str] = ()
) -> NDArray[np.float64]:
    """Finite network outputs as float64 (n, 7), n >= 1; errors name the row, or its image."""
    array = np.asarray(scores)
    if array.ndim != 2 or array.shape[0] == 0 or array.shape[1] != len(CLASSES):
        raise InputError(f"{name}: shape {array.shape}; allowed is (images, {len(CLASSES)})")
    if not (np.issubdtype(array.dtype, np.floating) or np.issubdtype(array.dtype, np.integer)):
        raise InputError(f"{name}: type {array.dtype}; real numbers are needed")
    array = array.astype(np.float64)
    bad_rows, bad_columns = np.nonzero(~np.isfinite(array))
    if bad_rows.size:
        row, column = bad_rows[0], bad_columns[0]
        raise InputError(
            f"{name}: {_row(row, image_ids)}, class {CLASSES[column]} is {array[row, column]};"
            " every entry must be a finite number"
        )
    return array


def checked_probabilities(
    probabilities: ArrayLike,
    name: str,
    tolerance: float = ROW_SUM_TOLERANCE,
    image_ids: Sequence[str] = (),
) -> NDArray[np.float64]:
    """A distribution over the classes for each image, float64 (n, 7), rows made to sum to one.

    Raises InputError naming `name` and the row (by its image where `image_ids` are given) for NaN,
    an entry outside 0 to 1, and a row that is further than `tolerance` from a sum of one; what is
    nearer is rounding, and divided out.
    """
    array = checked_scores(probabilities, name, image_ids)
    outside = np.argwhere((array < 0) | (array > 1 + tolerance))
    if outside.size:
        row, column = outside[0]
        raise InputError(
            f"{name}: {_row(row, image_ids)}, class {CLASSES[column]} is {array[row, column]:g};"
            " allowed is 0 to 1"
        )
    sums = array.sum(axis=1)
    wrong = np.nonzero(np.abs(sums - 1) > tolerance)[0]
    if wrong.size:
        raise InputError(
            f"{name}: {_row(wrong[0], image_ids)} sums to {sums[wrong[0]]:.6g};"
            f" allowed is 1 within {tolerance:g}"
        )
    return array / sums[:, None]


def _row(row: int, image_ids: Sequence[str]) -> str:
    return f"image {image_ids[row]}" if len(image_ids) > row else f"row {row}"


def checked_pair(
    labels: ArrayLike, probabilities: ArrayLike, name: str
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Labels and probabilities, checked alone and for equal length. Raises InputError."""
    known = checked_labels(labels)
    predicted = checked_probabilities(probabilities, name)
    if len(known) != len(predicted):
        raise InputError(f"{name}: {len(predicted)} rows; {len(known)} images have a label")
    return known, predicted
