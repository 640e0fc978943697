"""The tables of images, checked before anything is built on them: one row per image.

HAM10000_metadata.csv is what a source brings; data/index.csv is what `verify` makes of it, and its
order is the order of every array.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError

COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
INDEX_COLUMNS = ("image_id", "lesion_id", "lesion_group", "dx")
SAFE_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")  # ids become file names


def read_metadata(path: Path) -> pd.DataFrame:
    """Read and check the metadata table; rows come back sorted by image_id.

    Columns: lesion_id, image_id, dx, dx_type, sex, localization (str, "" and "unknown" kept as they
    are), age (float64 years, NaN where missing). Further columns are dropped.

    Raises InputError naming the column, the row and the value for: a file that is no table, a
    missing column, no row, an id that is empty or no plain name, a dx that is none of CLASSES, an
    age that is no number from 0 to 120, two rows for one image.
    """
    table = read_table(path, COLUMNS)
    for column in ("image_id", "lesion_id"):
        refuse(path, table, ~table[column].map(is_safe_id), column, "letters, digits, _ and - only")
    refuse(path, table, ~table.dx.isin(CLASSES), "dx", f"allowed are {', '.join(CLASSES)}")
    refuse(path, table, table.image_id.duplicated(), "image_id", "a second row for this image")
    age = pd.to_numeric(table.age, errors="coerce")
    wrong_age = (table.age != "") & ~age.between(0, 120)
    refuse(path, table, wrong_age, "age", "a number of years from 0 to 120, or empty")
    table = table.assign(age=age.astype(np.float64))
    return table.sort_values("image_id", ignore_index=True)


def read_index(path: Path) -> pd.DataFrame:
    """Read an index as `verify` writes it: all columns str, "" where a value is missing.

    Raises InputError where a column is missing, an image stands twice or a dx is unknown.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if missing := [column for column in INDEX_COLUMNS if column not in table.columns]:
        raise InputError(f"{path}: column {', '.join(missing)} is missing")
    refuse(path, table, table.image_id.duplicated(), "image_id", "a second row for this image")
    refuse(path, table, ~table.dx.isin(CLASSES), "dx", f"allowed are {', '.join(CLASSES)}")
    return table


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """The named columns of a CSV file, all str, "" where a value is missing; one row or more.

    Raises InputError where the file is missing or no table, or lacks a column or any row.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path} is not there") from None
    except (ValueError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable CSV table ({reason})") from None
    if missing := [column for column in columns if column not in table.columns]:
        raise InputError(
            f"{path}: column {', '.join(missing)} is missing; needed are {', '.join(columns)}"
        )
    if table.empty:
        raise InputError(f"{path}: has no row")
    return table[list(columns)]


def is_safe_id(text: str) -> bool:
    return SAFE_ID.fullmatch(text) is not None


def refuse(path: Path, table: pd.DataFrame, wrong: pd.Series, column: str, allowed: str) -> None:
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        more = f" (and {int(wrong.sum()) - 1} more rows)" if wrong.sum() > 1 else ""
        value = table[column].iloc[row]
        raise InputError(f"{path}, line {row + 2}: {column} is {value!r}; {allowed}{more}")
