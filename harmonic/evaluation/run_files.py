"""The files that runs given on a command line are read from, so that none is written over."""

from collections.abc import Sequence
from pathlib import Path

FILES = (
    *("params.yaml", "data/split.csv", "metrics.json", "predictions.csv"),
    *("predictions_natural.csv", "reports"),
)


def files_read(names: Sequence[str], truth: Path | None = None) -> list[Path]:
    """Files and folders that `harmonic.evaluation.runs.read_runs` may read for these arguments."""
    found = [] if truth is None else [truth]
    for name in map(Path, names):
        if name.is_dir():
            found += [name / file for file in FILES]
        elif name.is_file():  # a table, with the answers of its runs beside it
            found += [name, name.parent / "predictions"]
    return found
