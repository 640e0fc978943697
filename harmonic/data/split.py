"""Train, validation and test sets that never divide a lesion."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError

SETS = ("train", "val", "test")


def split_groups(
    groups: np.ndarray, dx: np.ndarray, shares: Mapping[str, float], seed: int
) -> np.ndarray:
    """Name of the set of each image, shape (N,), dtype str.

    `groups` and `dx` are the lesion group and the diagnosis of each image, `shares` the share of
    the images that each set shall hold, summing to one. Every image of a group goes to one set.
    Class by class, largest groups first and shuffled by `seed` among equals, each group goes to the
    set that is furthest from being full; so the class shares of the sets agree to within one
    lesion, and every set gets a lesion of every class. The order of the images does not matter.

    Raises InputError where a class has fewer groups than there are sets.
    """
    table = pd.DataFrame({"group": groups, "dx": dx})
    # A group with two diagnoses counts as the more frequent one, in doubt as the first by alphabet.
    by_group = table.groupby("group", sort=True).dx.agg(lambda names: names.mode().iloc[0])
    sizes = table.groupby("group", sort=True).size()
    random = np.random.default_rng(seed)
    set_of_group: dict[str, str] = {}
    for name in CLASSES:
        members = np.array(by_group.index[by_group == name], dtype=str)
        if 0 < len(members) < len(shares):
            raise InputError(
                f"class {name} has {len(members)} lesions, fewer than the {len(shares)} sets "
                f"{', '.join(shares)}: every set needs at least one"
            )
        shuffled = random.permutation(members)
        size = sizes[shuffled].to_numpy()
        target = {part: share * size.sum() for part, share in shares.items()}
        held = dict.fromkeys(shares, 0)
        for position in np.argsort(-size, kind="stable"):
            emptiest = min(held, key=lambda part: held[part] / target[part])
            set_of_group[shuffled[position]] = emptiest
            held[emptiest] += int(size[position])
    return np.array([set_of_group[group] for group in groups])


def require_lesions(groups: np.ndarray, dx: np.ndarray, sets: int) -> None:
    """Raise InputError where a class has fewer lesions than there are sets, or none at all."""
    for name in CLASSES:
        lesions = len(np.unique(groups[dx == name]))
        if lesions < sets:
            raise InputError(
                f"class {name} has {lesions} lesions, fewer than the {sets} sets "
                f"{', '.join(SETS)}: every set needs at least one"
            )


def share_with_sibling(groups: np.ndarray, sets: np.ndarray) -> float:
    """The share of the test images whose lesion also appears in the training set: the leak."""
    test = groups[sets == "test"]
    if len(test) == 0:
        return 0.0
    return float(np.isin(test, groups[sets == "train"]).mean())
