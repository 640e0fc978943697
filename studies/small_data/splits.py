"""Small balanced training sets and the test sets that go with them.

Two protocols. *Drawn*: k images a class, and no lesion of the training set in the test set. *GEM*:
the published splits of Brigato et al. (IEEE Access 2022, doi 10.1109/ACCESS.2022.3172939), 80
images a class, in whose test sets 9 to 10 % of the images show a lesion of the training set; their
clean test set leaves those out.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError

TRAINING, VALIDATION, TEST = 50, 30, 400
"""Images a class as GEM has them; the test set takes what there is, up to 400."""
LARGEST = TRAINING + VALIDATION


@dataclass(frozen=True)
class Split:
    """Row numbers of data/index.csv; GEM's final runs train on `training` and `validation`."""

    name: str
    training: np.ndarray
    """In an order whose first k of each class are the training set of k images a class."""
    validation: np.ndarray
    """Chooses learning rate and weight decay; then joins the training set."""
    test: np.ndarray
    """As published, or drawn."""
    clean: np.ndarray
    """The test set without images of lesions in `training` and `validation`."""

    def first(self, count: int, labels: np.ndarray) -> np.ndarray:
        """`count` images of each class out of training and validation."""
        rows = np.concatenate([self.training, self.validation])
        return np.concatenate([rows[labels[rows] == n][:count] for n in range(len(CLASSES))])


def drawn(index: pd.DataFrame, number: int) -> Split:
    """A balanced split by lesion group, drawn from the seed `number`.

    Within a class whole groups are taken in random order: 50 images for training, 30 from other
    groups for validation, then up to 400 from yet other groups for the test. What is left of a
    group that is cut in the middle belongs nowhere.
    Raises InputError naming the class that has too few images.
    """
    random = np.random.default_rng([number, 2022])
    groups = index.lesion_group.to_numpy(dtype=str)
    parts: dict[str, list[int]] = {"training": [], "validation": [], "test": []}
    used: set[str] = set()
    for name in CLASSES:
        rows = np.flatnonzero(index.dx.to_numpy() == name)
        order = random.permutation(np.unique(groups[rows])).tolist()
        for part, wanted in (("training", TRAINING), ("validation", VALIDATION), ("test", TEST)):
            taken: list[int] = []
            while order and len(taken) < wanted:
                group = order.pop()
                if group not in used:
                    taken += rows[groups[rows] == group].tolist()
                    used.add(group)
            if not taken or (part != "test" and len(taken) < wanted):
                raise InputError(
                    f"class {name} has {len(rows)} images, too few for {LARGEST} in training "
                    f"and others for the test"
                )
            parts[part] += taken[:wanted]
    test = np.sort(parts["test"])
    return Split(
        f"drawn{number}", np.array(parts["training"]), np.array(parts["validation"]), test, test
    )


def published(index: pd.DataFrame, folder: Path, number: int) -> Split:
    """GEM's split: an image id and a class number a line; InputError names a line that is none."""
    row_of = dict(zip(index.image_id, range(len(index)), strict=True))
    train, val, test = (
        published_rows(folder / f"{part}{number}.txt", index, row_of)
        for part in ("train", "val", "test")
    )
    groups = index.lesion_group.to_numpy(dtype=str)
    clean = test[~np.isin(groups[test], groups[np.concatenate([train, val])])]
    return Split(f"gem{number}", train, val, test, clean)


def published_rows(path: Path, index: pd.DataFrame, row_of: dict[str, int]) -> np.ndarray:
    try:
        lines = [line.split() for line in path.read_text(encoding="ascii").splitlines()]
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: not a readable file of image ids and class numbers") from None
    names, found = {str(number): name for number, name in enumerate(CLASSES)}, []
    for number, line in enumerate(lines, start=1):
        if len(line) != 2 or line[0] not in row_of or line[1] not in names:
            raise InputError(
                f"{path}, line {number}: {' '.join(line)[:60]!r} is no image id of the index "
                f"with a class number 0 to {len(CLASSES) - 1}"
            )
        dx = index.dx.iloc[row_of[line[0]]]
        if dx != names[line[1]]:
            raise InputError(
                f"{path}, line {number}: {line[0]} is {dx} in the index, not {names[line[1]]}"
            )
        found.append(row_of[line[0]])
    return np.array(found)
