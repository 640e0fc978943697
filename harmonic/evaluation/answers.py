"""What a network answered for each test image, joined with the truth, and checked once."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.errors import InputError, one_line
from harmonic.evaluation.checks import checked_lesions, checked_pair, checked_probabilities
from harmonic.evaluation.predictions import HEADER, PUBLISHED_TOLERANCE, check_ids
from harmonic.reading import lines_of

TEXT_COLUMNS = frozenset({"image", "image_id", "lesion_id", "dx", "split", "answer", "value"})
"""Where 0001 is not 1, and NA may be a name."""


@dataclass(frozen=True)
class Answers:
    """Answers for n test images; row n of every field is the same image.

    Any array-like is taken, and checked when this is made: InputError for what is no label, no
    lesion id or no distribution over the classes. Nothing that is given answers checks them again.
    """

    labels: NDArray[np.int64]
    """Class numbers (n,)."""
    lesions: NDArray[np.str_]
    """Lesion ids (n,)."""
    balanced: NDArray[np.float64]
    """Probabilities (n, 7) under the balanced rule."""
    natural: NDArray[np.float64] | None = None
    """Under the natural rule, where they were kept, too."""
    image_ids: NDArray[np.str_] = field(default_factory=lambda: np.array([], dtype=str))
    """(n,), or none where nobody asks which image it is."""
    class_counts: tuple[int, ...] | None = None
    """Training images of each class, where known: the natural rule follows from them."""
    prior_exponent: float = 1.0
    """To what power the natural rule takes their shares."""

    def __post_init__(self) -> None:
        labels, balanced = checked_pair(self.labels, self.balanced, "balanced probabilities")
        checked = {
            "labels": labels,
            "balanced": balanced,
            "lesions": checked_lesions(self.lesions, len(labels)),
        }
        if self.natural is not None:
            _, checked["natural"] = checked_pair(labels, self.natural, "natural probabilities")
        vars(self).update(checked)  # a frozen dataclass has no other way

    def by_natural_rule(self) -> NDArray[np.float64] | None:
        """Probabilities (n, 7) under the natural rule: kept, or made; None where neither can be."""
        if self.natural is not None or self.class_counts is None:
            return self.natural
        joint = self.balanced * np.array(self.class_counts) ** self.prior_exponent
        found: NDArray[np.float64] = joint / joint.sum(axis=1, keepdims=True)
        return found

    def at(self, rows: NDArray[np.integer]) -> "Answers":
        """The answers for some images, or for all in another order."""
        arrays = {key: one for key, one in vars(self).items() if isinstance(one, np.ndarray)}
        return replace(self, **{key: one[rows] for key, one in arrays.items() if len(one)})

    def by_lesion(self) -> "Answers":
        """A row for each lesion, sorted by id, with the mean probabilities of its images."""
        names, first, _ = np.unique(self.lesions, return_index=True, return_inverse=True)
        natural = None if self.natural is None else lesion_means(self.lesions, self.natural)
        balanced = lesion_means(self.lesions, self.balanced)
        return Answers(self.labels[first], names, balanced, natural)


def lesion_sums(
    lesions: Sequence[str] | NDArray, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sums of rows (n, k) over the images of each lesion (L, k), by id; and how many these are."""
    names, lesion = np.unique(np.asarray(lesions).astype(str), return_inverse=True)
    sums = np.zeros((len(names), values.shape[1]))
    np.add.at(sums, lesion, values)
    return sums, np.bincount(lesion)


def lesion_means(
    lesions: Sequence[str] | NDArray, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    sums, images = lesion_sums(lesions, values)
    return sums / images[:, None]


def answers_from(
    predictions: pd.DataFrame,
    truth: pd.DataFrame,
    natural: pd.DataFrame | None,
    name: str,
    class_counts: tuple[int, ...] | None = None,
    prior_exponent: float = 1.0,
) -> Answers:
    """Predictions joined with lesion and diagnosis by the image's id, sorted by it.

    Args:
        predictions: under the balanced rule; columns of HEADER.
        truth: columns image (or image_id), lesion_id, dx; may hold more images. With a column
            split, the images of the set `test` must be answered, all of them and no others.
        natural: the same images in the same order under the natural rule, None where not kept.
        name: of the run, for messages.
        class_counts, prior_exponent: of the natural rule, where known.

    Raises InputError where a table is not so, an image stands twice or has no truth.
    """
    known = truth.rename(columns={"image_id": "image"})
    check_columns(known, ("image", "lesion_id", "dx"), f"{name}: truth")
    balanced = _probabilities(predictions, f"{name}: predictions")
    ids = predictions["image"].fillna("").to_numpy(dtype=str)
    check_ids(ids.tolist(), f"{name}: predictions")
    check_ids(known["image"].astype(str).tolist(), f"{name}: truth")
    known = known.set_index("image")
    if unknown := sorted(set(ids) - set(known.index)):
        more = f" ({len(unknown)} images in all)" if len(unknown) > 1 else ""
        raise InputError(f"{name}: image {unknown[0]}: no truth for it{more}")
    if "split" in known.columns:
        check_whole(set(ids), known, name)
    mine = known.loc[ids]
    if strange_dx := sorted(set(mine.dx.astype(str)) - set(CLASSES)):
        raise InputError(f"{name}: truth: dx {strange_dx[0]}; allowed are {', '.join(CLASSES)}")
    if (without := mine.lesion_id.fillna("") == "").any():
        raise InputError(f"{name}: truth: image {ids[without][0]} has no lesion_id")
    others = None
    if natural is not None:
        others = _probabilities(natural, f"{name}: natural rule")
        if natural["image"].to_numpy(dtype=str).tolist() != ids.tolist():
            raise InputError(f"{name}: predictions of the two rules are not of the same images")
    order = np.argsort(ids)
    return Answers(
        labels=mine.dx.map(CLASSES.index).to_numpy(dtype=np.int64)[order],
        lesions=lesion_groups(ids.tolist(), mine.lesion_id, known_pairs())[order],
        balanced=balanced[order],
        natural=None if others is None else others[order],
        image_ids=ids[order],
        class_counts=class_counts,
        prior_exponent=prior_exponent,
    )


def check_columns(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    """Raises InputError naming the columns that are not there."""
    if missing := [column for column in columns if column not in table.columns]:
        raise InputError(f"{name}: column {', '.join(missing)} is missing")


def check_whole(answered: set[str], known: pd.DataFrame, name: str) -> None:
    """Raises InputError unless exactly the test images of a split (index: image) are answered."""
    in_test = set(known.index[known.split == "test"])
    if strange := sorted(answered - in_test):
        raise InputError(f"{name}: image {strange[0]}: is no test image of its split")
    if missing := sorted(in_test - answered):
        raise InputError(
            f"{name}: test image {missing[0]}: has no answer; {len(answered)} of {len(in_test)} "
            "have one"
        )


def test_set_of(answers: Answers) -> str:
    """A name that two runs share only if their test images and diagnoses are the same."""
    pairs = list(zip(answers.image_ids.tolist(), answers.labels.tolist(), strict=True))
    digest = hashlib.sha256(repr(pairs).encode()).hexdigest()[:6]
    return f"{len(pairs)} images from {pairs[0][0]} ({digest})"


def csv_table(content: bytes, name: str) -> pd.DataFrame:
    """The table in the bytes of a file, gzipped or not; raises InputError naming it for others.

    TEXT_COLUMNS are str, "" where nothing stands; other columns are what pandas takes them for.
    """
    lines = lines_of(content, name)
    as_text = {"dtype": str, "keep_default_na": False, "usecols": TEXT_COLUMNS.__contains__}
    try:
        table, text = (pd.read_csv(io.BytesIO(lines), **options) for options in ({}, as_text))
        return table.assign(**text)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{name}: no readable CSV table ({one_line(error)})") from None


def _probabilities(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    check_columns(table, HEADER, name)
    image_ids = table["image"].tolist()
    return checked_probabilities(table[[*HEADER[1:]]], name, PUBLISHED_TOLERANCE, image_ids)
