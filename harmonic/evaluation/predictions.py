"""Probabilities as a CSV table that the official ISIC 2018 task 3 scorer reads.

One row an image: `image` and a probability for each of MEL, NV, BCC, AKIEC, BKL, DF, VASC.
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from numpy.typing import ArrayLike

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.checks import checked_probabilities
from harmonic.files import write_text

HEADER = ("image", *(name.upper() for name in CLASSES))

DIGITS = 16
"""After the point, in scientific notation: enough for a float64 to be read back as it was. An AUC
depends on the order of the smallest probabilities, and rounded ones tie: with twelve decimal places
the AUC of an overconfident network is off by 0.001."""

KEPT_ROUNDING = 0.5e-5
"""How far a probability in the tables of results/ (five decimal places) lies from what it was."""

PUBLISHED_TOLERANCE = 1e-5 * len(CLASSES)
"""How far a row of the rounded tables in results/ (five decimal places) may sum from one."""


def write_predictions(path: Path, image_ids: Sequence[str], probabilities: ArrayLike) -> None:
    """Writes `predictions_table`, whole or not at all."""
    write_text(path, predictions_table(image_ids, probabilities, path.name))


def predictions_table(image_ids: Sequence[str], probabilities: ArrayLike, name: str) -> str:
    """The table of probabilities (n, 7), a row for each of the n image ids, in the order given.

    Every number has a point and DIGITS digits after it (the scorer refuses columns of integers).
    Raises InputError, naming `name`, for probabilities that are none, and ids that are empty,
    doubled, or not n.
    """
    rows = checked_probabilities(probabilities, f"probabilities for {name}", image_ids=image_ids)
    if len(image_ids) != len(rows):
        raise InputError(f"{name}: {len(image_ids)} image ids for {len(rows)} rows")
    check_ids(image_ids, name)
    table = pd.DataFrame(rows, columns=HEADER[1:])
    table.insert(0, HEADER[0], image_ids)
    text: str = table.to_csv(index=False, lineterminator="\n", float_format=f"%.{DIGITS}e")
    return text


def check_ids(image_ids: Sequence[str], name: str) -> None:
    """Raises InputError for an image without an id, and for one that stands there twice."""
    if "" in image_ids:
        raise InputError(f"{name}: an empty image id; every row needs one")
    twice = pd.Index(image_ids).duplicated()
    if twice.any():
        image = image_ids[int(twice.argmax())]
        raise InputError(f"{name}: image {image} stands there twice; once is allowed")
