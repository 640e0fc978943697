"""The answers of finished runs, which stand beside results/runs.csv."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError


def answers(
    runs: pd.DataFrame, preset: str, arm: str, results: Path
) -> tuple[pd.DataFrame, NDArray[np.float64]]:
    """The truth (image, lesion_id, dx) and the probabilities (seeds, images, 7) of an arm.

    Raises InputError where there is no run, or runs of one arm answer different images.
    """
    rows = runs[(runs.preset == preset) & (runs.arm == arm) & runs.fold.isna()].sort_values("seed")
    if rows.empty:
        raise InputError(f"no rows of {arm}: run `python -m benchmarks.grid {preset} --arms {arm}`")
    truth = pd.read_csv(results / "predictions" / f"{rows.data.iloc[0]}.csv.gz")
    found = []
    for path in rows.predictions:
        table = pd.read_csv(results / path)
        if table.image.tolist() != truth.image.tolist():
            raise InputError(f"{path}: answers other images than the truth of its data")
        found.append(table[[name.upper() for name in CLASSES]].to_numpy())
    probabilities = np.array(found)
    return truth, probabilities / probabilities.sum(axis=2, keepdims=True)  # they were rounded
