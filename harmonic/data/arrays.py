"""The arrays that training and evaluation read: images, labels and sets, row for row."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harmonic.data.classes import CLASSES
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.data.metadata import read_table, refuse
from harmonic.data.split import SETS
from harmonic.errors import InputError


@dataclass(frozen=True)
class LabelledImages:
    """A data set in memory; row n of every field is the same image."""

    image_ids: np.ndarray  # (N,) str
    images: np.ndarray  # (N, size, size, 3) uint8, read only
    labels: np.ndarray  # (N,) int64, positions in CLASSES
    groups: np.ndarray  # (N,) str, lesion groups
    sets: np.ndarray  # (N,) str: train, val or test

    def part(self, name: str) -> "LabelledImages":
        """The rows of one set."""
        rows = np.flatnonzero(self.sets == name)
        return LabelledImages(**{field: values[rows] for field, values in vars(self).items()})

    def class_counts(self) -> np.ndarray:
        """Images of each class, shape (7,), int64."""
        return np.bincount(self.labels, minlength=len(CLASSES))


def read_labelled_images(images: Path, split: Path, needed: Sequence[str] = SETS) -> LabelledImages:
    """Read images.npy and split.csv; raises InputError where they do not belong together, and
    where a set of `needed` has no image."""
    try:
        array = np.load(images, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{images}: not a readable .npy array ({error})") from None
    if array.ndim != 4 or array.shape[3] != 3 or array.dtype != np.uint8:
        raise InputError(
            f"{images}: holds {array.dtype} of shape {array.shape}; "
            "needed is uint8 of shape (N, size, size, 3)"
        )
    table = read_table(split, ("image_id", "lesion_id", "dx", "split"))
    refuse(split, table, ~table.split.isin(SETS), "split", f"allowed are {', '.join(SETS)}")
    if len(table) != len(array):
        raise InputError(f"{split} has {len(table)} rows, {images} has {len(array)} images")
    if missing := [name for name in needed if not (table.split == name).any()]:
        why = "; split.test: 0 leaves none to test on" if missing == ["test"] else ""
        raise InputError(f"{split}: no image is in {', '.join(missing)}{why}")
    return LabelledImages(
        image_ids=table.image_id.to_numpy(dtype=str),
        images=array,
        labels=table.dx.map(CLASSES.index).to_numpy(dtype=np.int64),
        groups=lesion_groups(table.image_id, table.lesion_id, known_pairs()),
        sets=table.split.to_numpy(dtype=str),
    )


def data_digest(images: Path, split: Path) -> str:
    """12 hex digits over the contents of both files: which data a model file was made from."""
    whole = hashlib.sha256()
    for path in (images, split):
        with path.open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:12]
