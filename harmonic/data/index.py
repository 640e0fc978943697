"""data/index.csv: the verified table of the images; its order is the order of every array."""

from pathlib import Path

import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.data.metadata import refuse
from harmonic.errors import InputError

NEEDED = ("image_id", "lesion_id", "lesion_group", "dx")


def read_index(path: Path) -> pd.DataFrame:
    """Read an index as `verify` writes it: all columns str, "" where a value is missing.

    Raises InputError where a column is missing, an image stands twice or a dx is unknown.
    """
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    if missing := [column for column in NEEDED if column not in table.columns]:
        raise InputError(f"{path}: column {', '.join(missing)} is missing")
    refuse(path, table, table.image_id.duplicated(), "image_id", "a second row for this image")
    refuse(path, table, ~table.dx.isin(CLASSES), "dx", f"allowed are {', '.join(CLASSES)}")
    return table
