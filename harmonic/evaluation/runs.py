"""Finished runs, read from where they lie: a run's folder, a tree of such folders, a workspace of
DVC, or a revision of it.

What a run needs is its figures; with its answers and the truth it can be compared lesion by lesion,
too. Everything is checked, as it comes from outside.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers, test_set_of
from harmonic.evaluation.run_files import (
    METRICS,
    Read,
    Truth,
    read_answers,
    read_figures,
    read_traits,
    test_set_of_parameters,
    whole_number,
)
from harmonic.evaluation.run_places import files_at, folder_reader, places, record_of
from harmonic.reading import content_of

IDENTITY = ("study", "arm", "seed")
"""What run.json says a run is, which traits hold beside the parameters."""
ONE_KIND = (
    *("seed", "split.fold", "device", "exact", "archive", "train.launcher", "train.compile"),
    *("remove_hair.cluster", "evaluate.resamples", "evaluate.seed", "post_protocol.draw"),
)
ONE_KIND_SECTIONS = ("find_lr", "compress", "report")
"""Parameters in which runs of one kind may differ: chance, machine, and what is made of a run."""


@dataclass(frozen=True)
class Run:
    """One training and its evaluation."""

    name: str
    seed: int
    """0 where neither run.json nor params.yaml says one."""
    fold: int | None
    test_set: str
    """Runs of one test set can be paired."""
    traits: Mapping[str, str]
    """What runs can be grouped by: study, arm and parameters."""
    metrics: Mapping[str, float]
    """All figures, those of metrics.json, intervals.json and figures.json."""
    answers: Answers | None
    commit: str = ""
    """Of the code that made it; empty where that is not known."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """What run.json says: device, seconds, validation figures …"""
    folder: Path | None = None
    metrics_md5: str = ""
    """Of its metrics.json, as dvc.lock has it."""

    @property
    def kind(self) -> dict[str, str]:
        """The traits that runs differing by chance or machine alone share."""
        return {
            key: value
            for key, value in self.traits.items()
            if key not in ONE_KIND and key.split(".")[0] not in ONE_KIND_SECTIONS
        }


def read_runs(
    names: Sequence[str], truth: Path | None = None, *, answers: bool = True
) -> list[Run]:
    """The runs that the names stand for, in their order; those of a tree by arm, seed and fold.

    Args:
        names: each the folder of a run, a folder that holds such folders at any depth, or a DVC
            experiment or git revision of the repository in the working directory; InputError,
            naming the run, where it is none of these or a file of it is unfit.
        truth: a CSV table (image, lesion_id, dx) for folders that have none.
        answers: whether to read the answers, too; tables of figures do without.
    """
    if truth is not None and not truth.is_file():
        raise InputError(f"truth {truth}: no such file")
    found = [
        folder_run(Path(place), truth, answers)
        if Path(place).is_dir()
        else revision_run(place, answers)
        for place, _ in places(names)
    ]
    if not found:
        raise InputError("runs: none given")
    return found


def folder_run(folder: Path, truth: Path | None = None, answers: bool = True) -> Run:
    """The run whose files are in `folder`: one of results/runs, a workspace, a copy of reports/."""

    def kept_truth(digest: str) -> bytes | None:
        if truth is not None:
            return content_of(truth)
        beside = [parent / "data" / f"{digest}.csv.gz" for parent in folder.absolute().parents[:3]]
        return next((content_of(one) for one in beside if digest and one.is_file()), None)

    run = run_from(str(folder), folder_reader(folder), kept_truth, answers=answers)
    return replace(run, folder=folder)


def revision_run(name: str, answers: bool = True) -> Run:
    """The run of a DVC experiment or a git revision."""
    from dvc.exceptions import DvcException

    project = Path.cwd()
    files = files_at(name, project)
    here = os.path.relpath(project, files.repo.scm.root_dir)  # it may be a folder of the repository

    def read(path: str) -> bytes | None:
        try:
            content: bytes = files.read_bytes(os.path.normpath(Path(here, path)))
        except (DvcException, OSError):
            return None
        return content

    return run_from(name, read, answers=answers)


def run_from(
    name: str, read: Read, kept_truth: Truth = lambda digest: None, *, answers: bool = True
) -> Run:
    """A run from its files; without its answers where they are not wanted. name: for messages."""
    record = record_of(read, name)
    if not record and read("reports/metrics.json") is None:
        raise InputError(f"run {name}: reports/metrics.json is not there")
    metrics = read_figures(read, name)
    traits = read_traits(read, name)
    traits |= {key: str(record[key]) for key in IDENTITY if key in record}
    if record.get("fold") is not None:
        traits |= {"split.folds": "unknown"} | traits | {"split.fold": str(record["fold"])}
    exponent = metrics.get("prior_exponent", 1.0)  # runs that do not know it took the shares as is
    answered = read_answers(read, kept_truth, record, name, exponent) if answers else None
    fold = None
    if traits.get("split.folds", "None") != "None":
        fold = whole_number(traits.get("split.fold", "missing"), f"run {name}: split.fold")
    if "study" in record:
        test_set = f"{record['study']}, data {record.get('data', 'unknown')}"
    elif answered is not None:
        test_set = test_set_of(answered)
    else:
        test_set = test_set_of_parameters(traits, metrics)
    return Run(
        name=Path(name).name if "arm" in record else name,
        seed=whole_number(traits.get("seed", "missing"), f"run {name}: seed") if traits else 0,
        fold=fold,
        test_set=test_set,
        traits=traits,
        metrics=metrics,
        answers=answered,
        commit=str(record.get("commit", "")),
        record=record,
        metrics_md5=hashlib.md5(read(METRICS) or b"", usedforsecurity=False).hexdigest(),
    )


def runs_table(runs: Sequence[Run], params: Sequence[str] | None = None) -> pd.DataFrame:
    """One row per run: what run.json says, all figures, and parameters as `params.<key>`: those
    asked for, else all in which the runs differ."""
    if params is None:
        keys = sorted({key for run in runs for key in run.traits} - set(IDENTITY))
        params = [key for key in keys if len({run.traits.get(key) for run in runs}) > 1]
    rows = [
        {
            "study": run.traits.get("study", ""),
            "arm": run.traits.get("arm", run.name),
            "seed": run.seed,
            "fold": run.fold,
            **{key: one for key, one in run.record.items() if isinstance(one, str | int | float)},
            **{key: float(one) for key, one in run.metrics.items()},
            **{f"params.{key}": run.traits.get(key) for key in params},
            "folder": str(run.folder or run.name),
        }
        for run in runs
    ]
    return pd.DataFrame(rows).astype({"fold": "Int64"})
