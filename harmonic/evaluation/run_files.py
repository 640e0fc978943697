"""The files that runs given on a command line are read from, so that none is written over."""

from collections.abc import Sequence
from pathlib import Path

FILES = (
    *("params.yaml", "run.json", "metrics.json", "intervals.json", "figures.json"),
    *("answers.csv.gz", "data/split.csv", "predictions.csv", "predictions_natural.csv", "reports"),
)


def files_read(names: Sequence[str], truth: Path | None = None) -> list[Path]:
    """Files and folders that `harmonic.evaluation.runs.read_runs` may read for these arguments."""
    found = [] if truth is None else [truth]
    for name in map(Path, names):
        if name.is_file():  # no run, but a file that somebody named
            found.append(name)
        below = [one.parent for one in name.rglob("run.json")] if name.is_dir() else []
        found += [folder / file for folder in (name, *below) for file in FILES]
        kept = {parent / "data" for folder in below for parent in folder.absolute().parents[:3]}
        found += [one for folder in sorted(kept) for one in folder.glob("*.csv.gz")]
    return found
