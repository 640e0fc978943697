"""Probabilities as a CSV table that the official ISIC 2018 task 3 scorer reads.

One row an image: `image` and a probability for each of MEL, NV, BCC, AKIEC, BKL, DF, VASC.
"""

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harmonic.data.classes import CLASSES
from harmonic.data.metadata import numbered_rows
from harmonic.errors import InputError
from harmonic.evaluation.checks import ROW_SUM_TOLERANCE, checked_probabilities
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
    table = io.StringIO(newline="")
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(HEADER)
    for image_id, row in zip(image_ids, rows, strict=True):
        writer.writerow([image_id, *(f"{value:.{DIGITS}e}" for value in row)])
    return table.getvalue()


def read_predictions(
    path: Path, tolerance: float = ROW_SUM_TOLERANCE
) -> tuple[list[str], NDArray[np.float64]]:
    """Image ids (n) and probabilities float64 (n, 7) of a table of this form, gzipped if named .gz.

    Raises InputError naming the file, and the line or image: no such file, another header, a row of
    another length, text where a number belongs, NaN, a row whose sum is further than `tolerance`
    from one, an image named twice.
    """
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8-sig", newline="") as file:
            rows = list(numbered_rows(file))
    except (OSError, EOFError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a CSV table ({error})") from None
    if not rows or tuple(rows[0][1]) != HEADER:
        found = ",".join(rows[0][1])[:80] if rows else "nothing"
        raise InputError(f"{path}: header {found!r}; allowed is {','.join(HEADER)!r}")
    if len(rows) == 1:
        raise InputError(f"{path}: no row below the header; at least one image is needed")
    values = []
    for line, row in rows[1:]:
        if len(row) != len(HEADER):
            raise InputError(f"{path}: line {line} has {len(row)} fields; {len(HEADER)} needed")
        try:
            values.append([float(field) for field in row[1:]])
        except ValueError as error:
            raise InputError(f"{path}: line {line}: {error}") from None
    image_ids = [row[0] for _, row in rows[1:]]
    check_ids(image_ids, str(path))
    return image_ids, checked_probabilities(values, str(path), tolerance, image_ids)


def check_ids(image_ids: Sequence[str], name: str) -> None:
    """Raises InputError for an image without an id, and for one that stands there twice."""
    seen: set[str] = set()
    for image_id in image_ids:
        if not image_id:
            raise InputError(f"{name}: an empty image id; every row needs one")
        if image_id in seen:
            raise InputError(f"{name}: image {image_id} stands there twice; once is allowed")
        seen.add(image_id)
