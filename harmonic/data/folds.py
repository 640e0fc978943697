"""Cross-validation: n folds that never divide a lesion, one of them the test set."""

from collections.abc import Callable, Mapping

import numpy as np

Assign = Callable[[np.ndarray, np.ndarray, Mapping[str, float], int], np.ndarray]
"""split_groups or split_by_hash: groups, dx, shares and seed to the set of each image."""


def split_fold(
    assign: Assign,
    groups: np.ndarray,
    dx: np.ndarray,
    *,
    folds: int,
    fold: int,
    val: float,
    seed: int,
) -> np.ndarray:
    """Name of the set of each image when fold `fold` (from 0) of `folds` is the test set.

    The folds depend on `seed` alone, so the test sets of all folds together hold every image once.
    `val` is the validation set's share of all images; it comes from the other folds.

    Raises InputError as `assign` does.
    """
    names = [f"fold {number}" for number in range(folds)]
    fold_of_image = assign(groups, dx, dict.fromkeys(names, 1 / folds), seed)
    rest = fold_of_image != names[fold]
    val_of_rest = val / (1 - 1 / folds)
    sets = np.full(len(groups), "test", dtype="<U5")
    shares = {"train": 1 - val_of_rest, "val": val_of_rest}
    sets[rest] = assign(groups[rest], dx[rest], shares, seed)
    return sets
