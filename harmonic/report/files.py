"""The files of a run that its report is made of, read and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harmonic.errors import InputError
from harmonic.evaluation.answers import check_columns, csv_table
from harmonic.evaluation.figures import checked_figure
from harmonic.evaluation.run_files import json_object
from harmonic.evaluation.runs import Run, run_from
from harmonic.reading import content_of

HISTORY_COLUMNS = (
    *("epoch", "lr", "train_loss", "val_loss"),
    *("val_balanced_accuracy", "val_accuracy", "val_macro_auc"),
)
CURVE_COLUMNS = ("lr", "loss", "smoothed_loss")

COMPRESSION_COLUMNS = (
    *("weights", "epochs", "bytes", "share", "parameters"),
    *(f"{name}{end}" for name in ("balanced_accuracy", "change") for end in ("", "_low", "_high")),
)


@dataclass(frozen=True)
class RunFiles:
    """Where the outputs of each stage lie."""

    fingerprint: Path
    raw: Path
    hairless: Path
    images: Path
    split: Path
    lr_range: Path
    history: Path
    model: Path
    metrics: Path
    intervals: Path
    figures: Path
    predictions: Path
    predictions_natural: Path
    per_class: Path
    operating_points: Path
    subgroups: Path
    compression: Path


def read_run(files: RunFiles) -> Run:
    """Figures and answers; raises InputError naming what is impossible, missing or of others."""
    paths = {
        "reports/metrics.json": files.metrics,
        "reports/intervals.json": files.intervals,
        "reports/figures.json": files.figures,
        "reports/predictions.csv": files.predictions,
        "reports/predictions_natural.csv": files.predictions_natural,
        "data/split.csv": files.split,
    }
    run = run_from("this run", lambda path: content_of(paths[path]) if path in paths else None)
    if "temperature" not in run.metrics:
        raise InputError(f"{files.figures}: temperature is missing; `evaluate` writes it")
    return run


def read_json(path: Path) -> dict[str, Any]:
    return json_object(content_of(path), str(path))


def read_csv(path: Path) -> pd.DataFrame:
    return csv_table(content_of(path), str(path))


def read_compression(path: Path) -> pd.DataFrame:
    """Name, size and accuracy of each variant; raises InputError where it is no such table."""
    table = read_csv(path)
    check_columns(table, COMPRESSION_COLUMNS, str(path))
    return table[[*COMPRESSION_COLUMNS]]


def read_steps(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """A table of numbers, a row a step; raises InputError for a missing column or an impossible
    value, naming it."""
    table = read_csv(path).apply(pd.to_numeric, errors="coerce")
    check_columns(table, columns, str(path))
    if table.empty:
        raise InputError(f"{path}: has no row")
    for row, record in enumerate(table.to_dict("records"), start=1):
        for name, value in record.items():
            checked_figure(str(name), value, f"{path}: row {row}")
    return table
