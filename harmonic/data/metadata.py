"""The tables of images, checked before anything is built on them: one row per image.

HAM10000_metadata.csv is what a source brings; data/index.csv is what `verify` makes of it, and its
order is the order of every array.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError

COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
INDEX_COLUMNS = ("image_id", "lesion_id", "lesion_group", "dx")
SAFE_ID = r"[A-Za-z0-9_-]{1,64}"
"""Ids become file names."""


def read_metadata(path: Path) -> pd.DataFrame:
    """Read and check the metadata table: COLUMNS, sorted by image_id.

    All are str, "" and "unknown" kept as they are, but age: float64 years, NaN where missing.
    Raises InputError, naming column, row and value, as `read_table` does and for an id that is
    empty or no plain name, and an age that is no number from 0 to 120.
    """
    table = read_table(path, COLUMNS)[list(COLUMNS)]
    for column in ("image_id", "lesion_id"):
        safe = table[column].str.fullmatch(SAFE_ID)
        refuse(path, table, ~safe, column, "letters, digits, _ and - only")
    age = pd.to_numeric(table.age, errors="coerce")
    wrong_age = (table.age != "") & ~age.between(0, 120)
    refuse(path, table, wrong_age, "age", "a number of years from 0 to 120, or empty")
    table = table.assign(age=age.astype(np.float64))
    return table.sort_values("image_id", ignore_index=True)


def read_index(path: Path) -> pd.DataFrame:
    """Read an index as `verify` writes it. Raises InputError as `read_table` does."""
    return read_table(path, INDEX_COLUMNS)


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a CSV file, all of it str, "" where a value is missing.

    Raises InputError where the file is missing or no table, lacks one of `columns` or any row, has
    two rows for one image_id, or a dx that is none of CLASSES.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path} is not there") from None
    except ValueError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path}: not a readable CSV table ({reason})") from None
    if missing := [column for column in columns if column not in table.columns]:
        raise InputError(
            f"{path}: column {', '.join(missing)} is missing; needed are {', '.join(columns)}"
        )
    if table.empty:
        raise InputError(f"{path}: has no row")
    if "dx" in columns:
        refuse(path, table, ~table.dx.isin(CLASSES), "dx", f"allowed are {', '.join(CLASSES)}")
    if "image_id" in columns:
        twice = table.image_id.duplicated()
        refuse(path, table, twice, "image_id", "a second row for this image")
    return table


def refuse(path: Path, table: pd.DataFrame, wrong: pd.Series, column: str, allowed: str) -> None:
    """Raise InputError naming the first of the wrong rows, where there is one."""
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        more = f" (and {int(wrong.sum()) - 1} more rows)" if wrong.sum() > 1 else ""
        value = table[column].iloc[row]
        raise InputError(f"{path}, line {row + 2}: {column} is {value!r}; {allowed}{more}")
