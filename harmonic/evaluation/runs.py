"""Finished runs, read from where they lie: a folder, a DVC revision, or the table results/runs.csv.

What a run needs is its metrics; with its predictions and the truth it can be compared lesion by
lesion, too. Everything is checked, as it comes from outside.
"""

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.errors import InputError
from harmonic.evaluation.checks import checked_probabilities
from harmonic.evaluation.predictions import HEADER, PUBLISHED_TOLERANCE

TABLE_COLUMNS = ("preset", "arm", "seed", "model", "data")
NOT_METRICS = {
    *("preset", "arm", "seed", "fold", "model", "overrides", "commit", "data", "device", "threads"),
    *("torch", "parameters", "epochs", "best_epoch", "seconds", "images_per_second"),
    *("predictions",),
}
GRID_FOLDER = re.compile(r"(?P<arm>.+)-seed(?P<seed>\d+)(-fold(?P<fold>\d+))?")


@dataclass(frozen=True)
class Answers:
    """What a run answered for each test image; row n of every field is the same image."""

    image_ids: NDArray[np.str_]
    labels: NDArray[np.int64]
    lesions: NDArray[np.str_]
    balanced: NDArray[np.float64]
    """Probabilities (n, 7) under the balanced rule."""
    natural: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class Run:
    """One training and its evaluation."""

    name: str
    seed: int
    fold: int | None
    test_set: str
    """Runs of one test set can be paired."""
    traits: Mapping[str, str]
    """What runs can be grouped by: parameters, or columns of the table."""
    metrics: Mapping[str, float]
    answers: Answers | None


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
        table = pd.read_csv(path, dtype={"data": str, "predictions": str})
    except (ValueError, OSError) as error:
        raise InputError(f"{path}: no CSV table ({str(error).splitlines()[0]})") from None
    if missing := [name for name in TABLE_COLUMNS if name not in table.columns]:
        raise InputError(f"{path}: column {', '.join(missing)} is missing")
    truths: dict[Path, pd.DataFrame] = {}
    runs = []
    for row in table.to_dict("records"):
        name = f"{row['arm']}-seed{row['seed']}"
        answers = None
        if isinstance(row.get("predictions"), str):
            predictions = path.parent / row["predictions"]
            place = path.parent / "predictions" / f"{row['data']}.csv.gz"
            if place not in truths:
                truths[place] = read_csv(place.read_bytes, place)
            answers = answers_from(read_csv(predictions.read_bytes, predictions), truths[place])
        fold = row.get("fold")
        runs.append(
            Run(
                name=name,
                seed=int(row["seed"]),
                fold=None if fold is None or pd.isna(fold) else int(fold),
                test_set=f"{row['preset']}, data {row['data']}",
                traits={key: str(row[key]) for key in ("arm", "model", "overrides") if key in row},
                metrics={
                    key: float(value)
                    for key, value in row.items()
                    if key not in NOT_METRICS
                    and isinstance(value, int | float)
                    and np.isfinite(value)
                },
                answers=answers,
            )
        )
    return runs


def folder_run(folder: Path, truth: Path | None) -> Run:
    """The run whose files are in `folder`: a checkout of this project, or a copy of reports/."""
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
        metrics = {key: float(value) for key, value in json.loads(content).items()}
    except (ValueError, TypeError, AttributeError):
        raise InputError(f"run {name}: metrics.json is no flat table of numbers") from None
    traits = traits_of(read("params.yaml"), name)
    predictions, split = read("reports/predictions.csv"), read("data/split.csv")
    answers = None
    if predictions is not None and split is not None:
        table = read_csv(lambda: predictions, f"{name}: predictions.csv")
        natural = read("reports/predictions_natural.csv")
        other = None if natural is None else read_csv(lambda: natural, f"{name}: natural rule")
        answers = answers_from(table, read_csv(lambda: split, f"{name}: split.csv"), other)
    grid = GRID_FOLDER.fullmatch(Path(name).name)
    if not traits and grid:
        traits = {"arm": grid["arm"], "seed": grid["seed"]}
        if grid["fold"]:
            traits |= {"split.fold": grid["fold"]}
    folds = traits.get("split.folds", "None") != "None" or (grid is not None and grid["fold"])
    return Run(
        name=name,
        seed=int(traits.get("seed", 0)),
        fold=int(traits["split.fold"]) if folds else None,
        test_set="" if answers is None else test_set_of(answers),
        traits=traits,
        metrics=metrics,
        answers=answers,
    )


def traits_of(content: bytes | None, name: str) -> dict[str, str]:
    """The parameters of a run, `train.level` for nested ones; empty without a params.yaml."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if content is None:
        return {}
    try:
        tree = YAML(typ="safe", pure=True).load(io.BytesIO(content))
    except YAMLError:
        raise InputError(f"run {name}: params.yaml is no YAML") from None
    found: dict[str, str] = {}

    def collect(prefix: str, branch: Any) -> None:
        if isinstance(branch, dict):
            for key, value in branch.items():
                collect(f"{prefix}{key}.", value)
        else:
            found[prefix.rstrip(".")] = str(branch)

    collect("", tree)
    return found


def answers_from(
    predictions: pd.DataFrame, truth: pd.DataFrame, natural: pd.DataFrame | None = None
) -> Answers:
    """Predictions joined with lesion and diagnosis by the image's id.

    Raises InputError for an image without a truth, or values that are no probabilities.
    """
    known = truth.rename(columns={"image_id": "image"})
    if missing := [name for name in ("image", "lesion_id", "dx") if name not in known.columns]:
        raise InputError(f"truth: column {', '.join(missing)} is missing")
    if missing := [name for name in HEADER if name not in predictions.columns]:
        raise InputError(f"predictions: column {', '.join(missing)} is missing")
    known = known.set_index("image")
    ids = predictions["image"].to_numpy(dtype=str)
    if unknown := sorted(set(ids) - set(known.index)):
        raise InputError(f"image {unknown[0]}: no truth for it, nor for {len(unknown) - 1} more")
    mine = known.loc[ids]
    if not mine.dx.isin(CLASSES).all():
        raise InputError(f"truth: allowed dx are {', '.join(CLASSES)}")
    rows = checked_probabilities(predictions[[*HEADER[1:]]], "predictions", PUBLISHED_TOLERANCE)
    others = None
    if natural is not None:
        if natural["image"].to_numpy(dtype=str).tolist() != ids.tolist():
            raise InputError("predictions of the two rules are not of the same images")
        others = checked_probabilities(natural[[*HEADER[1:]]], "natural", PUBLISHED_TOLERANCE)
    return Answers(
        image_ids=ids,
        labels=mine.dx.map(CLASSES.index).to_numpy(dtype=np.int64),
        lesions=lesion_groups(ids.tolist(), mine.lesion_id, known_pairs()),
        balanced=rows,
        natural=others,
    )


def test_set_of(answers: Answers) -> str:
    return f"{len(answers.image_ids)} images from {min(answers.image_ids)}"


def read_csv(read: Callable[[], bytes], name: Path | str) -> pd.DataFrame:
    try:
        content = read()
        compression = "gzip" if content[:2] == b"\x1f\x8b" else None
        return pd.read_csv(io.BytesIO(content), compression=compression)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(f"{name}: no readable CSV table ({error})") from None
