"""Train, validation and test sets that never divide a lesion: by share, by hash, or in folds."""

import hashlib
from collections.abc import Callable, Collection, Mapping

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError

SETS = ("train", "val", "test")
Assign = Callable[[np.ndarray, np.ndarray, Mapping[str, float], int], np.ndarray]
"""split_groups or split_by_hash: groups, dx, shares and seed to the set of each image."""


def split_groups(
    groups: np.ndarray, dx: np.ndarray, shares: Mapping[str, float], seed: int
) -> np.ndarray:
    """Name of the set of each image, shape (N,), dtype str.

    `groups` and `dx` are the lesion group and the diagnosis of each image, `shares` the share of
    the images that each set shall hold, summing to one. Class by class, largest groups first and
    shuffled by `seed` among equals, each group goes to the set that is furthest from being full; so
    the class shares of the sets agree to within one lesion, and every set gets a lesion of every
    class. The order of the images does not matter.

    Raises InputError where a class has fewer groups than there are sets.
    """
    images = pd.crosstab(groups, dx)  # in each group, of each diagnosis
    # A group with two diagnoses counts as the more frequent one, in doubt as the first by alphabet.
    dx_of_group = images.idxmax(axis=1)
    sizes = images.sum(axis=1)
    random = np.random.default_rng(seed)
    set_of_group: dict[str, str] = {}
    for name in CLASSES:
        members = np.array(dx_of_group.index[dx_of_group == name], dtype=str)
        if 0 < len(members) < len(shares):
            raise too_few({name: len(members)}, shares)
        shuffled = random.permutation(members)
        size = sizes[shuffled].to_numpy()
        target = {part: share * size.sum() for part, share in shares.items()}
        held = dict.fromkeys(shares, 0)
        for position in np.argsort(-size, kind="stable"):
            emptiest = min(held, key=lambda part: held[part] / target[part])
            set_of_group[shuffled[position]] = emptiest
            held[emptiest] += int(size[position])
    return np.array([set_of_group[group] for group in groups])


def split_by_hash(
    groups: np.ndarray, dx: np.ndarray, shares: Mapping[str, float], seed: int
) -> np.ndarray:
    """Name of the set of each image, as growing data leave it; arguments as for split_groups.

    A group's hash falls into the interval of one set, whatever other groups there are: new lesions
    move no old one, unless one joins an old group (a known pair) and comes before its lesions in
    the alphabet, as the group then bears another name. The price is that shares are met by chance:
    with n lesions of a class, a set's share p of them strays by about sqrt(p (1 - p) / n).

    Raises InputError where a class has no group in some set.
    """
    names = list(shares)
    ends = np.cumsum(list(shares.values()))
    unique, group_of_image = np.unique(groups, return_inverse=True)
    positions = [unit_hash(f"{seed} {' '.join(names)} {group}") for group in unique]
    # The last set takes what rounding leaves above the sum of the shares.
    set_of_group = np.minimum(np.searchsorted(ends, positions, side="right"), len(names) - 1)
    sets = np.array(names)[set_of_group[group_of_image]]
    for name in CLASSES:
        held = sets[dx == name]
        if len(held) and (empty := [part for part in names if part not in held]):
            raise InputError(
                f"class {name} has no lesion in {', '.join(empty)}: split.stable leaves it to "
                "chance; choose another split.seed, or split.stable: false"
            )
    return sets


def unit_hash(text: str) -> float:
    """A number in [0, 1) that follows from the text alone, uniform over texts."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48


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


def require_lesions(groups: np.ndarray, dx: np.ndarray, sets: Collection[str] = SETS) -> None:
    """Raise InputError naming all classes with fewer lesions than there are sets, or none."""
    lesions = {name: len(np.unique(groups[dx == name])) for name in CLASSES}
    if few := {name: count for name, count in lesions.items() if count < len(sets)}:
        raise too_few(few, sets)


def too_few(lesions: Mapping[str, int], sets: Collection[str]) -> InputError:
    found = ", ".join(f"class {name} has {count} lesions" for name, count in lesions.items())
    return InputError(
        f"{found}, fewer than the {len(sets)} sets {', '.join(sets)}: every set needs at least one"
    )


def share_with_sibling(groups: np.ndarray, sets: np.ndarray) -> float:
    """The share of the test images whose lesion also appears in the training set: the leak."""
    if not (sets == "test").any():
        return 0.0
    return float(np.isin(groups[sets == "test"], groups[sets == "train"]).mean())
