"""One run is one folder: what stands in it, and how it is written.

    params.yaml       every parameter, so that the run can be made again
    metrics.json      the figures of HEADLINE
    intervals.json    the ends of 95 % intervals of figures, `_low` and `_high`
    figures.json      all other figures
    run.json          study, arm, seed, fold; commit, data, device, torch, seconds; validation
    history.csv       one row per epoch
    answers.csv.gz    probabilities (or classes) for each test image

A run that does not know something lacks that file. The truth of the test images is kept once for
all runs on the same data, in `data/<digest>.csv.gz` beside the folder `runs`.
"""

import gzip
import io
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from ruamel.yaml import YAML

from harmonic.files import UNFINISHED, write_bytes, write_json, write_text

HEADLINE = (
    *("balanced_accuracy", "accuracy", "macro_f1", "weighted_precision", "weighted_recall"),
    *("macro_auc", "ece", "log_loss"),
)
"""The figures of metrics.json: few, so that tables of them stay readable."""
FIGURES = ("metrics", "intervals", "figures")
"""Names of the files of figures, in which no name occurs twice."""


def figures_apart(document: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """A flat document of figures as the contents of metrics, intervals and figures.json."""
    found: dict[str, dict[str, float]] = {name: {} for name in FIGURES}
    for name, value in sorted(document.items()):
        interval = name.endswith(("_low", "_high"))
        place = "metrics" if name in HEADLINE else "intervals" if interval else "figures"
        found[place][name] = value
    return found


def folder_name(arm: str, seed: int, fold: int | None = None) -> str:
    return f"{arm}-seed{seed}" + ("" if fold is None else f"-fold{fold}")


def write_run(
    folder: Path,
    *,
    params: Mapping[str, Any],
    record: Mapping[str, Any],
    figures: Mapping[str, float],
    history: pd.DataFrame | None = None,
    answers: pd.DataFrame | None = None,
    others: Mapping[str, str] | None = None,
) -> None:
    """Write a run's folder whole: beside its place first, then moved there.

    `figures` is one flat document; `record` becomes run.json without the entries that are None;
    `others` are the texts of further files, by their path in the folder. One process at a time
    writes a run (`claimed`); what a killed one left is written anew.
    """
    unfinished = folder.with_name(UNFINISHED + folder.name)
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    yaml, text = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.dump(dict(params), text)
    write_text(unfinished / "params.yaml", text.getvalue())
    for name, content in figures_apart(figures).items():
        if content:
            write_json(unfinished / f"{name}.json", content)
    known = {key: one for key, one in record.items() if one is not None}
    write_json(unfinished / "run.json", known)
    if history is not None:
        write_text(unfinished / "history.csv", history.to_csv(index=False, lineterminator="\n"))
    if answers is not None:
        write_gzipped(unfinished / "answers.csv.gz", answers)
    for name, written in (others or {}).items():
        (unfinished / name).parent.mkdir(exist_ok=True)
        write_text(unfinished / name, written)
    unfinished.rename(folder)


def keep_truth(runs: Path, digest: str, truth: pd.DataFrame) -> None:
    """Keep the truth (image, lesion_id, dx) of data beside the folder `runs`, once."""
    place = runs.parent / "data" / f"{digest}.csv.gz"
    if not place.exists():
        write_gzipped(place, truth)


def write_gzipped(path: Path, table: pd.DataFrame) -> None:
    """The bytes depend on the content alone: no name, no time. Numbers have six digits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = table.to_csv(index=False, lineterminator="\n", float_format="%.6g")
    write_bytes(path, gzip.compress(text.encode(), mtime=0))
