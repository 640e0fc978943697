"""results/runs.csv: a row a finished run, appended by whoever finishes it."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from harmonic.errors import InputError

KEY = ["preset", "arm", "seed", "fold", "overrides", "data"]
"""What tells runs apart; `overrides` is the JSON of all that differs from params.yaml."""
TEXT = ["preset", "arm", "overrides", "data", "commit", "torch", "device", "predictions", "answers"]
"""Columns that stay as they are written, though they may look like numbers."""
WHOLE = ["seed", "fold", "threads", "parameters", "epochs", "best_epoch", "seconds", "bytes"]
WHOLE += ["test_images", "test_lesions"]
"""Columns of whole numbers, also where some rows have none."""


def read_runs(path: Path) -> pd.DataFrame:
    """All rows, as text in the key's columns; an empty table where there is no file.

    Raises InputError where the file is no such table.
    """
    if not path.exists():
        return pd.DataFrame(columns=KEY)
    kinds: dict[str, Any] = dict.fromkeys(TEXT, str) | dict.fromkeys(WHOLE, "Int64")
    try:
        runs = pd.read_csv(path, dtype=kinds)
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: no table of runs ({reason})") from None
    if missing := [column for column in KEY if column not in runs]:
        raise InputError(f"{path}: no table of runs (it has no column {missing[0]})")
    return runs


def has_run(runs: pd.DataFrame, row: dict[str, Any]) -> bool:
    """Whether a run of the same key is in the table."""
    same = pd.Series(True, index=runs.index)
    for column in KEY:
        same &= runs[column].isna() if row[column] is None else runs[column] == row[column]
    return bool(same.any())


def add_run(path: Path, row: dict[str, Any]) -> None:
    """Add a row; several processes may do so at once. A new column is empty in older rows."""
    with locked_table(path):
        runs = read_runs(path)
        if has_run(runs, row):
            return
        new = pd.DataFrame([row]).astype({"seed": "Int64", "fold": "Int64"})
        runs = new if runs.empty else pd.concat([runs, new], ignore_index=True)
        unfinished = path.with_suffix(".unfinished")
        runs.to_csv(unfinished, index=False, lineterminator="\n")
        unfinished.replace(path)


@contextmanager
def locked_table(path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def as_text(overrides: dict[str, Any]) -> str:
    """Overrides in one form whatever their order."""
    return json.dumps(overrides, sort_keys=True)
