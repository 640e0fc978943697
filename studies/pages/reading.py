"""The runs that a page is made of."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.deploy.compression import Scores, scores_of_choice
from harmonic.errors import InputError
from harmonic.evaluation.answers import csv_table
from harmonic.evaluation.runs import Run, read_runs


def runs_of_studies(results: Path, *studies: str, answers: bool = True) -> list[Run]:
    """The runs of some studies; raises InputError, saying what makes them, where there are none."""
    places = [results / "runs" / study for study in studies]
    for study, place in zip(studies, places, strict=True):
        if not place.is_dir():
            raise InputError(f"{place} is not there: no run of {study} is finished")
    return read_runs([str(place) for place in places], answers=answers)


def by_arm(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs of each arm, in the order they come."""
    found: dict[str, list[Run]] = {}
    for run in runs:
        found.setdefault(run.traits["arm"], []).append(run)
    return found


def truth_of(results: Path, digest: str) -> pd.DataFrame:
    """image, lesion_id and dx of the test images of data; raises InputError where not kept."""
    place = results / "data" / f"{digest}.csv.gz"
    if not place.is_file():
        raise InputError(f"{place}: the truth of these data is not there")
    return pd.read_csv(place, dtype=str, keep_default_na=False)


def written_lesions(results: Path, run: Run) -> NDArray[np.str_]:
    """The lesion ids of a run's answers as the metadata have them, known pairs not joined."""
    truth = truth_of(results, str(run.record["data"])).set_index("image")
    assert run.answers is not None
    return truth.lesion_id.loc[run.answers.image_ids].to_numpy(dtype=str)


def kept_answers(results: Path, run: Run) -> pd.DataFrame:
    """The table of a run's answers as it was kept, with lesion_id and dx of each image."""
    place = (run.folder or Path()) / "answers.csv.gz"
    if not place.is_file():
        raise InputError(f"{place} is not there")
    table = csv_table(place.read_bytes(), str(place))
    truth = truth_of(results, str(run.record["data"]))
    if missing := sorted(set(table.image) - set(truth.image)):
        raise InputError(f"{place}: image {missing[0]}: no truth for it")
    return table.merge(truth, on="image", how="left", validate="one_to_one")


def scores_of(answers: pd.DataFrame, resamples: int) -> Scores:
    """Balanced accuracy of answered classes (columns dx, answer, lesion_id)."""
    labels, chosen = (answers[column].map(CLASSES.index).to_numpy() for column in ("dx", "answer"))
    lesions = answers.lesion_id.to_numpy(str)
    return scores_of_choice(labels, lesions, chosen, resamples=resamples, seed=0)
