"""Two training sets for one test set: with and without other photographs of the test lesions.

A split by image lets siblings of test images (photographs of the same lesion) into training.
Comparing such a split with a split by lesion says little, as their test sets differ. Here both
networks answer the same test images, and their training sets agree in size, in images of each
class, and in the number of lesions and photographs a lesion:

    leaky training set = common images + siblings of test lesions
    clean training set = common images + as many photographs of as many other lesions

Lesions change places by the photographs that the test set left of them. So a sibling's lesion has
one more photograph in all, in the test set, than the one it makes room for, and lesions that were
photographed often may differ from others in more than that: what is measured is the siblings and
this small difference of kind.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.data.split import split_groups


@dataclass(frozen=True)
class Design:
    """Row numbers of the images in each set; `clean` and `leaky` differ in what was exchanged."""

    test: NDArray[np.int64]
    has_sibling: NDArray[np.bool_]
    """Of each test image: whether the leaky training set shows its lesion."""
    val: NDArray[np.int64]
    """Shares no lesion with any other set; chooses the epoch, for both networks."""
    clean: NDArray[np.int64]
    leaky: NDArray[np.int64]

    def sets(self, count: int) -> NDArray[np.str_]:
        """Of each of `count` images: test, val, clean, leaky, both (training sets), or none."""
        found = np.full(count, "", dtype="<U5")
        for name in ("test", "val", "clean", "leaky"):
            found[getattr(self, name)] = name
        found[np.intersect1d(self.clean, self.leaky)] = "both"
        return found


def leak_design(
    groups: NDArray[np.str_],
    labels: NDArray[np.int64],
    *,
    test: float = 0.2,
    val: float = 0.1,
    seed: int = 0,
) -> Design:
    """Draw the sets: validation by lesion, then `test` of each class's other images, by image.

    A test lesion's siblings go into the leaky set where another lesion with as many photographs can
    make room for them, and into neither set otherwise.
    """
    random = np.random.default_rng(seed)
    names = np.array(CLASSES)[labels]
    sets = split_groups(groups, names, {"rest": 1 - val, "val": val}, seed)
    test_rows: list[int] = []
    removed: list[int] = []
    siblings: list[int] = []
    for label in range(len(CLASSES)):
        rows = random.permutation(np.flatnonzero((labels == label) & (sets == "rest")))
        drawn = rows[: round(test * len(rows))]
        test_rows += drawn.tolist()
        of_test = set(groups[drawn])
        for others in by_size(rows[len(drawn) :], groups):
            clean = [images for group, images in others.items() if group not in of_test]
            for group, images in others.items():
                if group in of_test and clean:
                    siblings += images
                    removed += clean.pop()
    in_test = np.isin(groups, groups[test_rows])
    everything, tested = np.arange(len(groups)), np.sort(np.array(test_rows, int))
    clean_rows = everything[(sets == "rest") & ~in_test]
    leaky = np.sort(np.concatenate([np.setdiff1d(clean_rows, removed), np.array(siblings, int)]))
    return Design(
        test=tested,
        has_sibling=np.isin(groups[tested], groups[leaky]),
        val=everything[sets == "val"],
        clean=clean_rows,
        leaky=leaky,
    )


def by_size(rows: NDArray[np.int64], groups: NDArray[np.str_]) -> list[dict[str, list[int]]]:
    """The rows of each lesion, lesions with as many photographs left together, fewest first."""
    images: dict[str, list[int]] = {}
    for row in rows.tolist():
        images.setdefault(str(groups[row]), []).append(row)
    sizes = sorted({len(some) for some in images.values()})
    return [{one: some for one, some in images.items() if len(some) == size} for size in sizes]
