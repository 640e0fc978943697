"""The runs that a page is made of, and arms paired seed by seed."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.deploy.compression import Scores, scores_of_choice
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers, csv_table
from harmonic.evaluation.arms import check_kind
from harmonic.evaluation.contradictions import contradictions
from harmonic.evaluation.difference import Difference
from harmonic.evaluation.paired import paired_difference
from harmonic.evaluation.plots.differences import Row
from harmonic.evaluation.runs import Run, read_runs
from harmonic.evaluation.weighted import Statistic
from harmonic.markdown import with_interval

RESAMPLES = 2000
"""Of the test lesions, for every interval over them."""


def runs_of_study(results: Path, study: str, *, answers: bool = True) -> list[Run]:
    """The runs of a study; raises InputError where there are none, or answers are of another."""
    place = results / "runs" / study
    if not place.is_dir():
        raise InputError(f"{place} is not there: no run of {study} is finished")
    runs = read_runs([str(place)], answers=answers)
    for run in runs:
        if run.answers is not None and (lines := contradictions(run.metrics, run.answers)):
            raise InputError(f"{run.folder}: {lines[0]}; its answers and figures are of two runs")
    return runs


def by_arm(runs: Sequence[Run]) -> dict[str, list[Run]]:
    """Runs of each arm, in the order they come, without those of folds.

    Raises InputError for an arm of two kinds, or of runs on several data.
    """
    found: dict[str, list[Run]] = {}
    for run in runs:
        if run.fold is None:
            found.setdefault(run.traits["arm"], []).append(run)
    for arm, members in found.items():
        check_kind(arm, members)
        data = sorted({str(run.record.get("data")) for run in members})
        if len(data) > 1:
            raise InputError(f"arm {arm}: its runs are of data {', '.join(data)}; needed is one")
    return found


@dataclass(frozen=True)
class Pairs:
    """Two arms on one test set: their runs, and the answers of these, of the seeds both have."""

    runs: list[tuple[Run, Run]]
    answers: list[tuple[Answers, Answers]]

    def difference(
        self,
        statistic: Statistic,
        lesions: NDArray[np.str_],
        rows: NDArray[np.bool_] | slice = slice(None),
        confidence: float = 0.95,
    ) -> Difference:
        """Second minus first over some rows of the test set; `lesions` are those of every row."""
        first, second = (
            np.array([pair[side].balanced[rows] for pair in self.answers]) for side in (0, 1)
        )
        return paired_difference(
            *(self.answers[0][0].labels[rows], lesions[rows], first, second, statistic),
            resamples=RESAMPLES, seed=0, confidence=confidence,
        )  # fmt: skip


def paired(first: Sequence[Run], second: Sequence[Run], names: str, least: int = 1) -> Pairs:
    """Two arms, seed by seed; InputError for fewer than `least` seeds, or other test images."""
    of_second = {run.seed: run for run in second}
    runs = sorted(
        ((run, of_second[run.seed]) for run in first if run.seed in of_second),
        key=lambda pair: pair[0].seed,
    )
    answers = [(one.answers, other.answers) for one, other in runs]
    whole = [(one, other) for one, other in answers if one is not None and other is not None]
    if len(whole) < max(least, len(runs)):
        raise InputError(f"{names}: {len(whole)} seeds with answers of both, too few")
    images = {tuple(one.image_ids) for pair in whole for one in pair}
    if len(images) > 1:
        raise InputError(f"{names}: other test images")
    return Pairs(runs, whole)


def truth_of(results: Path, run: Run) -> pd.DataFrame:
    """image, lesion_id and dx of a run's test images; raises InputError where not kept."""
    place = results / "data" / f"{run.record['data']}.csv.gz"
    if not place.is_file():
        raise InputError(f"{place}: the truth of these data is not there")
    return pd.read_csv(place, dtype=str, keep_default_na=False)


def written_lesions(results: Path, run: Run) -> NDArray[np.str_]:
    """The lesion ids of a run's answers as the metadata have them, known pairs not joined."""
    assert run.answers is not None
    truth = truth_of(results, run).set_index("image")
    return truth.lesion_id.loc[run.answers.image_ids].to_numpy(dtype=str)


def kept_answers(results: Path, run: Run) -> pd.DataFrame:
    """The table of a run's answers as it was kept, with lesion_id and dx of each image."""
    place = (run.folder or Path()) / "answers.csv.gz"
    if not place.is_file():
        raise InputError(f"{place} is not there")
    table, truth = csv_table(place.read_bytes(), str(place)), truth_of(results, run)
    if missing := sorted(set(table.image) - set(truth.image)):
        raise InputError(f"{place}: image {missing[0]}: no truth for it")
    return table.merge(truth, on="image", how="left", validate="one_to_one")


def whole_answers(results: Path, run: Run) -> pd.DataFrame:
    """`kept_answers` of all images whose truth is kept; raises InputError where one is missing.

    For studies that keep no figure that would show it: the truth is that of one test set.
    """
    answers, truth = kept_answers(results, run), truth_of(results, run)
    if missing := sorted(set(truth.image) - set(answers.image)):
        raise InputError(
            f"{run.folder}: test image {missing[0]} has no answer; {len(answers)} of {len(truth)} "
            "have one"
        )
    return answers


def scores_of(answers: pd.DataFrame, resamples: int = RESAMPLES) -> Scores:
    """Balanced accuracy of answered classes (columns dx, answer, lesion_id)."""
    labels, chosen = (answers[column].map(CLASSES.index).to_numpy() for column in ("dx", "answer"))
    lesions = answers.lesion_id.to_numpy(str)
    return scores_of_choice(labels, lesions, chosen, resamples=resamples, seed=0)


def mean_and_deviation(values: pd.Series, form: str = ".3f") -> str:
    return f"{values.mean():{form}} ± {values.std():{form}}"


def difference_cell(found: Difference) -> str:
    """The difference with its interval, – for that where there is too little for one."""
    low, high = (math.nan, math.nan) if found.too_few else found.interval
    return with_interval(found.value, low, high, "+.3f")


def plot_row(name: str, found: Difference) -> Row:
    return name, found.value, None if found.too_few else found.interval, found.told


def commits_of(runs: Sequence[Run]) -> str:
    return ", ".join(sorted({run.commit for run in runs}))
