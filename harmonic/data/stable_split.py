"""A split that growing data do not disturb: each lesion's set follows from its own name."""

import hashlib
from collections.abc import Mapping

import numpy as np

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError


def split_by_hash(
    groups: np.ndarray, dx: np.ndarray, shares: Mapping[str, float], seed: int
) -> np.ndarray:
    """Name of the set of each image, shape (N,), dtype str; arguments as for split_groups.

    A group's hash, a number in [0, 1), falls into the interval of one set, whatever other groups
    there are: new lesions move no old one, unless one joins an old group (a known pair) and comes
    before its lesions in the alphabet, as the group then bears another name. The price is that
    shares are met by chance only; with n lesions of a class, a set's share p of them strays by
    about sqrt(p (1 - p) / n).

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
