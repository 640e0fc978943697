"""What a run answered for each test image, joined with the truth; both come from outside."""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.errors import InputError
from harmonic.evaluation.checks import checked_probabilities
from harmonic.evaluation.predictions import HEADER, PUBLISHED_TOLERANCE


@dataclass(frozen=True)
class Answers:
    """What a run answered for each test image; row n of every field is the same image."""

    image_ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    lesions: NDArray[np.str_]
    balanced: NDArray[np.float64]
    """Probabilities (n, 7) under the balanced rule."""
    natural: NDArray[np.float64] | None = None
    """Under the natural rule, where they were kept, too."""
    class_counts: tuple[int, ...] | None = None
    """Training images of each class, where known: the natural rule follows from them."""

    def by_natural_rule(self) -> NDArray[np.float64] | None:
        """Probabilities (n, 7) under the natural rule: kept, or made; None where neither can be."""
        if self.natural is not None or self.class_counts is None:
            return self.natural
        joint = self.balanced * np.array(self.class_counts)
        found: NDArray[np.float64] = joint / joint.sum(axis=1, keepdims=True)
        return found


def answers_from(
    predictions: pd.DataFrame, truth: pd.DataFrame, natural: pd.DataFrame | None, name: str
) -> Answers:
    """Predictions joined with lesion and diagnosis by the image's id.

    Args:
        predictions: under the balanced rule; columns of HEADER.
        truth: columns image (or image_id), lesion_id, dx; may hold more images. With a column
            split, the images of the set `test` must be answered, all of them and no others.
        natural: the same images in the same order under the natural rule, None where not kept.
        name: of the run, for messages.

    Raises:
        InputError: a column is missing, an image stands twice or has no truth, or values are no
            probabilities.
    """
    known = truth.rename(columns={"image_id": "image"})
    if missing := [
        column for column in ("image", "lesion_id", "dx") if column not in known.columns
    ]:
        raise InputError(f"{name}: truth: column {', '.join(missing)} is missing")
    rows = _probabilities(predictions, f"{name}: predictions")
    ids = predictions["image"].to_numpy(dtype=str)
    check_once(ids, f"{name}: predictions")
    check_once(known["image"].to_numpy(dtype=str), f"{name}: truth")
    known = known.set_index("image")
    if unknown := sorted(set(ids) - set(known.index)):
        more = f" ({len(unknown)} images in all)" if len(unknown) > 1 else ""
        raise InputError(f"{name}: image {unknown[0]}: no truth for it{more}")
    if "split" in known.columns:
        check_whole(set(ids), known, name)
    mine = known.loc[ids]
    if strange_dx := sorted(set(mine.dx.astype(str)) - set(CLASSES)):
        raise InputError(f"{name}: truth: dx {strange_dx[0]}; allowed are {', '.join(CLASSES)}")
    if mine.lesion_id.isna().any():
        raise InputError(f"{name}: truth: image {ids[mine.lesion_id.isna()][0]} has no lesion_id")
    others = None
    if natural is not None:
        others = _probabilities(natural, f"{name}: natural rule")
        if natural["image"].to_numpy(dtype=str).tolist() != ids.tolist():
            raise InputError(f"{name}: predictions of the two rules are not of the same images")
    return Answers(
        image_ids=ids,
        labels=mine.dx.map(CLASSES.index).to_numpy(dtype=np.int64),
        lesions=lesion_groups(ids.tolist(), mine.lesion_id, known_pairs()),
        balanced=rows,
        natural=others,
    )


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


def check_once(image_ids: NDArray[np.str_], name: str) -> None:
    """Raises InputError for an image that stands there twice."""
    ids, counts = np.unique(image_ids, return_counts=True)
    if (counts > 1).any():
        raise InputError(f"{name}: image {ids[counts > 1][0]} stands there twice; once is allowed")


def test_set_of(answers: Answers) -> str:
    """A name that two runs share only if their test images and diagnoses are the same."""
    order = np.argsort(answers.image_ids)
    pairs = zip(answers.image_ids[order].tolist(), answers.labels[order].tolist(), strict=True)
    digest = hashlib.sha256(repr(list(pairs)).encode()).hexdigest()[:6]
    return f"{len(order)} images from {answers.image_ids[order[0]]} ({digest})"


def _probabilities(table: pd.DataFrame, name: str) -> NDArray[np.float64]:
    if missing := [column for column in HEADER if column not in table.columns]:
        raise InputError(f"{name}: column {', '.join(missing)} is missing")
    image_ids = table[HEADER[0]].astype(str).tolist()
    return checked_probabilities(table[[*HEADER[1:]]], name, PUBLISHED_TOLERANCE, image_ids)


def read_csv(read: Callable[[], bytes], name: Path | str) -> pd.DataFrame:
    """The table; raises InputError naming it where `read` finds no file or it is none."""
    try:
        content = read()
        compression = "gzip" if content[:2] == b"\x1f\x8b" else None
        return pd.read_csv(io.BytesIO(content), compression=compression)
    except FileNotFoundError:
        raise InputError(f"{name}: is not there, though the table of runs names it") from None
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{name}: no readable CSV table ({error})") from None
