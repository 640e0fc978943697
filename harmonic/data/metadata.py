"""The tables of images, checked before anything is built on them: one row per image.

HAM10000_metadata.csv is what a source brings; data/index.csv is what `verify` makes of it, and its
order is the order of every array.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.reading import content_of, lines_of

COLUMNS = ("lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization")
INDEX_COLUMNS = ("image_id", "lesion_id", "lesion_group", "dx")
SAFE_ID = r"[A-Za-z0-9_-]{1,64}"
"""Ids become file names."""
NO_ID = ("na", "nan", "none", "null", "unknown", "missing", "undefined")
"""What stands for a lesion that is not known; as an id it would make one lesion of them all."""
SEPARATORS = ",\t;|"


def read_metadata(path: Path) -> pd.DataFrame:
    """Read and check the metadata table, as `checked_metadata`; raises as `read_table`, too."""
    return checked_metadata(read_table(path, COLUMNS)[list(COLUMNS)], path)


def checked_metadata(table: pd.DataFrame, path: object) -> pd.DataFrame:
    """Check COLUMNS of a table of `parse_table` and sort it by image_id. path: for messages.

    All are str, "" and "unknown" kept as they are, but age: float64 years, NaN where missing.
    Raises InputError, naming column, line and value, for an id that is empty or no plain name, a
    lesion_id that stands for none, and an age that is no number from 0 to 120.
    """
    for column in ("image_id", "lesion_id"):
        safe = table[column].str.fullmatch(SAFE_ID)
        refuse(path, table, ~safe, column, "letters, digits, _ and - only")
    lesion = table.lesion_id.str.lower()
    unknown = lesion.isin(NO_ID) | ~lesion.str.contains("[a-z0-9]")
    refuse(path, table, unknown, "lesion_id", "each lesion needs an id of its own, unknown or not")
    age = pd.to_numeric(table.age, errors="coerce")
    wrong_age = (table.age != "") & ~age.between(0, 120)
    refuse(path, table, wrong_age, "age", "a number of years from 0 to 120, or empty")
    table = table.assign(age=age.astype(np.float64))
    return table.sort_values("image_id", ignore_index=True)


def read_index(path: Path) -> pd.DataFrame:
    """Read an index as `verify` writes it. Raises InputError as `read_table` does."""
    return read_table(path, INDEX_COLUMNS).reset_index(drop=True)


def read_table(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table from a file, as `parse_table` does; raises InputError where it is not there."""
    return parse_table(content_of(path), str(path), columns)


def parse_table(content: bytes, name: str, columns: Sequence[str]) -> pd.DataFrame:
    """The table in the bytes of a CSV file, all of it str, "" where a value is missing.

    Cells are separated by that of SEPARATORS that is most frequent in the header. The index has the
    number of the line on which each row begins.

    Raises InputError, naming `name`, where it is no table, has a row that is shorter or longer than
    the header, lacks one of `columns` or any row, has one of `columns` twice, two rows for one
    image_id, or a dx that is none of CLASSES.
    """
    try:
        text = lines_of(content, name).decode("utf-8-sig")
        separator = max(SEPARATORS, key=text.lstrip().partition("\n")[0].count)
        (_, header), *rows = numbered_rows(io.StringIO(text, newline=""), separator)
        for line, row in rows:
            if len(row) < len(header) or any(row[len(header) :]):
                raise ValueError(f"line {line} has {len(row)} cells, the header {len(header)}")
    except UnicodeDecodeError:
        raise InputError(f"{name}: is not in UTF-8; save it as “CSV UTF-8”") from None
    except ValueError as error:
        raise InputError(f"{name}: not a readable CSV table ({error})") from None
    if twice := [column for column in columns if header.count(column) > 1]:
        raise InputError(f"{name}: column {', '.join(twice)} stands there twice; needed is one")
    lines = pd.Index([line for line, _ in rows])
    table = pd.DataFrame([row[: len(header)] for _, row in rows], lines, header, dtype=str)
    table = table.loc[:, ~table.columns.duplicated()]
    if missing := [column for column in columns if column not in table.columns]:
        raise InputError(
            f"{name}: column {', '.join(missing)} is missing; needed are {', '.join(columns)}, "
            f"found {', '.join(map(repr, header[:20]))}"
        )
    if table.empty:
        raise InputError(f"{name}: has no row")
    if "dx" in columns:
        refuse(name, table, ~table.dx.isin(CLASSES), "dx", f"allowed are {', '.join(CLASSES)}")
    if "image_id" in columns:
        twice = table.image_id.duplicated()
        refuse(name, table, twice, "image_id", "a second row for this image")
    return table


def numbered_rows(lines: Iterable[str], separator: str = ",") -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file that are not empty, each with the number of the line it begins on.

    Raises ValueError, naming the line, where one is no CSV.
    """
    reader = csv.reader(lines, delimiter=separator, strict=True)
    line = 1
    try:
        for row in reader:
            if any(cell.strip() for cell in row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"line {line}: {error}") from None


def refuse(name: object, table: pd.DataFrame, wrong: pd.Series, column: str, allowed: str) -> None:
    """Raise InputError naming the first of the wrong rows of `parse_table`, where there is one."""
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        more = f" (and {int(wrong.sum()) - 1} more rows)" if wrong.sum() > 1 else ""
        value, line = table[column].iloc[row], table.index[row]
        raise InputError(f"{name}, line {line}: {column} is {value!r}; {allowed}{more}")
