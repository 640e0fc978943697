"""The leak study: its two training sets differ in siblings and in nothing else."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from harmonic.evaluation.answers import Answers
from harmonic.evaluation.plots.differences import Row
from harmonic.evaluation.runs import Run, read_runs
from studies.__main__ import main
from studies.leak.design import leak_design
from studies.leak.summary import Study, comparisons, inflations, table
from studies.pages import write_page
from studies.pages.reading import Pairs

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="module")
def lesions():
    """Groups and labels of 900 lesions of one to four photographs, nevi the commonest."""
    random = np.random.default_rng(0)
    classes = np.concatenate([np.repeat(np.arange(7), 30), np.ones(690, dtype=int)])
    images = random.choice([1, 2, 3, 4], size=len(classes), p=[0.6, 0.25, 0.1, 0.05])
    groups = np.repeat([f"HAM_{number:07d}" for number in range(len(classes))], images)
    return groups, np.repeat(classes, images)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_training_sets_agree_in_all_but_the_siblings(lesions, seed):
    groups, labels = lesions
    design = leak_design(groups, labels, seed=seed)
    for rows in (design.clean, design.leaky):
        assert len(rows) == len(set(rows.tolist()))
        assert not set(rows) & set(design.test)
        assert not set(groups[rows]) & set(groups[design.val])
    assert not set(groups[design.test]) & set(groups[design.val])
    assert not set(groups[design.clean]) & set(groups[design.test])
    assert set(groups[design.leaky]) & set(groups[design.test])
    for label in range(7):
        clean, leaky = (rows[labels[rows] == label] for rows in (design.clean, design.leaky))
        assert len(clean) == len(leaky)
        sizes = [np.sort(np.unique(groups[rows], return_counts=True)[1]) for rows in (clean, leaky)]
        assert np.array_equal(*sizes)  # as many lesions, with as many photographs
    siblings = np.isin(groups[design.test], groups[design.leaky])
    assert np.array_equal(design.has_sibling, siblings)
    assert 0.1 < siblings.mean() < 0.7


def test_the_draw_follows_from_its_seed(lesions):
    first, same, other = (leak_design(*lesions, seed=seed) for seed in (0, 0, 1))
    assert np.array_equal(first.leaky, same.leaky)
    assert not np.array_equal(first.test, other.test)


def test_nothing_is_told_that_the_exact_test_does_not_agree_with() -> None:
    """One seed a side: in one study the kinds differ in two lesions, in the other without doubt."""
    labels, number = np.repeat(np.arange(7), 24), np.arange(168)

    def drawn(better: NDArray[np.bool_]) -> tuple[str, list[Row]]:
        worse = 0.93 * np.eye(7)[np.where(better, (labels + 1) % 7, labels)] + 0.01
        right = 0.93 * np.eye(7)[labels] + 0.01
        lesions = number.astype(str)
        answers = [Answers(labels, lesions, one, image_ids=lesions) for one in (worse, right)]
        record = {"data": "d", "training_images": 1, "training_lesions": 1}
        keys = ("epochs", "train.width", "image_size", "leak.design_seed")
        run = Run("run", 0, None, "", dict.fromkeys(keys, "1"), {}, None, "c0ffee", record)
        study = Study(Pairs([(run, run)], [tuple(answers)]), labels, lesions, number % 2 == 0)
        found = comparisons(study)
        return table(study, found), inflations(found)

    few, rows = drawn(number < 2)
    assert "+0.012 – |" in few
    assert "Nothing is told of balanced accuracy, all test images: 2 lesions answered" in few
    assert not any(told or interval for _, _, interval, told in rows)
    many, rows = drawn(number % 3 == 0)
    assert "Nothing is told of balanced accuracy" not in many
    assert rows[0][2] is not None
    assert rows[0][3]


def test_an_interval_that_the_exact_test_is_against_has_a_note() -> None:
    page = (RESULTS / "leak.md").read_text(encoding="utf-8")
    assert "\nNothing is told of AUC, df: the exact test does not agree (p = 0.1).\n" in page


@pytest.mark.slow
def test_the_study_runs_resumes_and_sums_up(archive, work, tmp_path, capsys):
    options = ["leak", "--archive", str(archive), "--commit", "c0ffee"]
    options += ["--work", str(work), "--runs", str(tmp_path / "runs")]
    options += ["--seeds", "2", "--epochs", "1", "--width", "4", "--image-size", "28"]
    assert main(options) == 0
    assert capsys.readouterr().out.count("balanced accuracy") == 4
    runs = read_runs([str(tmp_path / "runs")])
    assert [run.name for run in runs] == [
        "clean-seed0",
        "clean-seed1",
        "leaky-seed0",
        "leaky-seed1",
    ]
    assert len({run.record["training_images"] for run in runs}) == 1
    assert all(run.answers is not None for run in runs)
    assert main(options) == 0
    assert capsys.readouterr().out.count("is there") == 4  # nothing is trained twice
    assert set(write_page("leak.md", tmp_path)) == {"leak.md", "leak.svg"}
    page = (tmp_path / "leak.md").read_text()
    assert "| balanced accuracy, with a sibling in training |" in page
    assert "--seeds 2 --epochs 1 --width 4 --image-size 28 --design-seed 0" in page
