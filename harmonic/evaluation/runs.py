"""Finished runs, read from where they lie: a folder, a DVC revision, or the table results/runs.csv.

What a run needs is its metrics; with its predictions and the truth it can be compared lesion by
lesion, too. Everything is checked, as it comes from outside.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers, answers_from, read_csv, test_set_of
from harmonic.evaluation.figures import checked_figure
from harmonic.evaluation.run_parameters import (
    overrides_of,
    test_set_of_parameters,
    traits_of,
    traits_of_folder,
    whole_number,
)

TABLE_COLUMNS = ("preset", "arm", "seed", "model", "data")
NOT_METRICS = {
    *("preset", "arm", "seed", "fold", "model", "overrides", "commit", "data", "device", "threads"),
    *("torch", "parameters", "epochs", "best_epoch", "seconds", "images_per_second"),
    *("bytes", "predictions", "answers"),
}
ONE_KIND = (
    *("seed", "split.fold", "device", "exact", "archive", "train.launcher", "train.compile"),
    *("remove_hair.cluster", "evaluate.resamples", "evaluate.seed"),
)
ONE_KIND_SECTIONS = ("find_lr", "compress", "report")
"""Parameters in which runs of one kind may differ: chance, machine, and what is made of a run."""


@dataclass(frozen=True)
class Run:
    """One training and its evaluation."""

    name: str
    seed: int
    """0 where no params.yaml, table or name of the folder says one."""
    fold: int | None
    test_set: str
    """Runs of one test set can be paired."""
    traits: Mapping[str, str]
    """What runs can be grouped by: parameters, or columns of the table."""
    metrics: Mapping[str, float]
    answers: Answers | None
    commit: str = ""
    """Of the code that made it; empty where that is not known."""

    @property
    def kind(self) -> dict[str, str]:
        """The traits that runs differing by chance or machine alone share."""
        return {
            key: value
            for key, value in self.traits.items()
            if key not in ONE_KIND and key.split(".")[0] not in ONE_KIND_SECTIONS
        }


def read_runs(names: Sequence[str], truth: Path | None = None) -> list[Run]:
    """The runs that the names stand for, in their order.

    Args:
        names: each a folder with `reports/` (or with metrics.json itself), a CSV table of runs, or
            a DVC experiment or git revision of the repository in the working directory.
        truth: a CSV table (image, lesion_id, dx) for folders without data/split.csv.

    Raises:
        InputError: naming the run, where it is none of these or a file of it is unfit.
    """
    found: list[Run] = []
    for name in names:
        path = Path(name)
        if path.is_file():
            found += table_runs(path)
        elif path.is_dir():
            found.append(folder_run(path, truth))
        else:
            found.append(revision_run(name))
    if not found:
        raise InputError("runs: none given")
    return found


def table_runs(path: Path) -> list[Run]:
    """A run for each row of results/runs.csv."""
    try:
        table = pd.read_csv(path, dtype={"data": str, "predictions": str, "commit": str})
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: no CSV table ({str(error).splitlines()[0]})") from None
    if missing := [name for name in TABLE_COLUMNS if name not in table.columns]:
        raise InputError(f"{path}: column {', '.join(missing)} is missing")
    truths: dict[Path, pd.DataFrame] = {}
    overridden = [overrides_of(row, path) for row in table.to_dict("records")]
    default = {key: "default" for overrides in overridden for key in overrides}
    runs = []
    for number, (row, overrides) in enumerate(
        zip(table.to_dict("records"), overridden, strict=True), start=1
    ):
        for column in ("preset", "arm", "data"):
            if pd.isna(row[column]):
                raise InputError(f"{path}: row {number}: {column} is empty; every run needs one")
        seed = whole_number(row["seed"], f"{path}: {row['arm']}: seed")
        name = f"{row['arm']}-seed{seed}"
        answers = None
        if isinstance(row.get("predictions"), str):
            predictions = path.parent / row["predictions"]
            place = path.parent / "predictions" / f"{row['data']}.csv.gz"
            if place not in truths:
                truths[place] = read_csv(place.read_bytes, place)
            answered = read_csv(predictions.read_bytes, predictions)
            answers = answers_from(answered, truths[place], None, str(predictions))
        fold = row.get("fold")
        traits = {key: str(row[key]) for key in ("arm", "model")}
        runs.append(
            Run(
                name=name,
                seed=seed,
                fold=None if pd.isna(fold) else whole_number(fold, f"{path}: {name}: fold"),
                test_set=f"{row['preset']}, data {row['data']}",
                traits=default | overrides | traits,
                metrics={
                    key: checked_figure(key, value, f"{path}: {name}")
                    for key, value in row.items()
                    if key not in NOT_METRICS and not pd.isna(value)
                },
                answers=answers,
                commit="" if pd.isna(row.get("commit")) else str(row["commit"]),
            )
        )
    return runs


def folder_run(folder: Path, truth: Path | None) -> Run:
    """The run whose files are in `folder`: a checkout of this project, or a copy of reports/."""
    if truth is not None and not truth.is_file():
        raise InputError(f"truth {truth}: no such file")
    reports = folder / "reports" if (folder / "reports").is_dir() else folder
    split = truth or folder / "data" / "split.csv"

    def read(name: str) -> bytes | None:
        places = {"params.yaml": folder / name, "data/split.csv": split}
        place = places.get(name, reports / Path(name).name)
        return place.read_bytes() if place.is_file() else None

    return run_from(str(folder), read)


def revision_run(name: str) -> Run:
    """The run of a DVC experiment or a git revision; outputs come from DVC's cache."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        files = DVCFileSystem(".", rev=name)
        files.ls("/")  # the revision is looked up on first use
    except (DvcException, SCMError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"run {name!r}: no folder, table or revision ({reason})") from None

    def read(path: str) -> bytes | None:
        try:
            content: bytes = files.read_bytes(path)
        except (DvcException, OSError):
            return None
        return content

    return run_from(name, read)


def run_from(name: str, read: Callable[[str], bytes | None]) -> Run:
    """A run from its files; `read` gives the bytes of a path, None where it is not there."""
    content = read("reports/metrics.json")
    if content is None:
        raise InputError(f"run {name}: reports/metrics.json is not there")
    try:
        values = json.loads(content).items()
    except (ValueError, AttributeError):
        raise InputError(f"run {name}: metrics.json is no flat table of numbers") from None
    where = f"run {name}: metrics.json"
    metrics = {key: checked_figure(key, value, where) for key, value in values}
    traits = traits_of(read("params.yaml"), name) or traits_of_folder(name)
    predictions, split = read("reports/predictions.csv"), read("data/split.csv")
    answers = None
    if predictions is not None and split is not None:
        table = read_csv(lambda: predictions, f"run {name}: predictions.csv")
        natural = read("reports/predictions_natural.csv")
        other = None if natural is None else read_csv(lambda: natural, f"run {name}: natural rule")
        truth = read_csv(lambda: split, f"run {name}: split.csv")
        answers = answers_from(table, truth, other, f"run {name}")
    in_folds = traits.get("split.folds", "None") != "None"
    fold = traits.get("split.fold", "missing") if in_folds else None
    return Run(
        name=name,
        seed=whole_number(traits.get("seed", "missing"), f"run {name}: seed") if traits else 0,
        fold=None if fold is None else whole_number(fold, f"run {name}: split.fold"),
        test_set=test_set_of_parameters(traits, metrics)
        if answers is None
        else test_set_of(answers),
        traits=traits,
        metrics=metrics,
        answers=answers,
    )
