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
        others = by_size(rows[len(drawn) :], groups)
        of_test = set(groups[drawn])
        clean = {size: [one for one in some if one[0] not in of_test] for size, some in others}
        for size, some in others:
            for group, images in some:
                if group in of_test and clean[size]:
                    siblings += images
                    removed += clean[size].pop()[1]
        test_rows += drawn.tolist()
    in_test = np.isin(groups, groups[test_rows])
    everything = np.arange(len(groups))
    clean_rows = everything[(sets == "rest") & ~in_test]
    leaky = np.sort(np.concatenate([np.setdiff1d(clean_rows, removed), np.array(siblings, int)]))
    tested = np.sort(np.array(test_rows, int))
    return Design(
        test=tested,
        has_sibling=np.isin(groups[tested], groups[leaky]),
        val=everything[sets == "val"],
        clean=clean_rows,
        leaky=leaky,
    )


def by_size(
    rows: NDArray[np.int64], groups: NDArray[np.str_]
) -> list[tuple[int, list[tuple[str, list[int]]]]]:
    """Photographs left of each lesion -> the lesions with so many, each with its rows."""
    images: dict[str, list[int]] = {}
    for row in rows.tolist():
        images.setdefault(str(groups[row]), []).append(row)
    sizes: dict[int, list[tuple[str, list[int]]]] = {}
    for group, some in images.items():
        sizes.setdefault(len(some), []).append((group, some))
    return sorted(sizes.items())
