"""The page on accuracy says what the answers of the runs say."""

import re
import shutil
from pathlib import Path

import pytest
from sklearn.metrics import balanced_accuracy_score

from harmonic.errors import InputError
from studies.pages.accuracy import ensemble, page
from studies.pages.reading import by_arm, runs_of_study, written_lesions

RESULTS = Path(__file__).parents[2] / "results"


def test_the_ensemble_answers_with_the_mean_of_its_members() -> None:
    runs = [run for run in runs_of_study(RESULTS, "small") if run.fold is None]
    members = by_arm(runs)["cnn"]
    answers = [run.answers for run in members if run.answers is not None]
    mean = sum(one.balanced for one in answers) / len(answers)
    expected = balanced_accuracy_score(answers[0].labels, mean.argmax(axis=1))
    shown, _ = ensemble(members, written_lesions(RESULTS, members[0]))
    low, high = map(float, re.findall(r"[\d.]+", shown)[1:])
    assert shown.startswith(f"{expected:.3f}")
    assert low < expected < high


def test_studies_without_two_seeds_of_an_arm_say_what_to_run(tmp_path: Path) -> None:
    folder = tmp_path / "runs/small"
    shutil.copytree(RESULTS / "runs/small/cnn-seed0", folder / "cnn-seed0")
    with pytest.raises(InputError, match="no arm with two seeds: run `python -m studies run"):
        page(tmp_path)
