"""The page on accuracy says what the table of runs and the answers beside it say."""

import re
from pathlib import Path

import pytest
from sklearn.metrics import balanced_accuracy_score

from benchmarks.accuracy import page
from benchmarks.grid.answers import answers
from benchmarks.grid.table import read_runs
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError

RESULTS = Path(__file__).parents[2] / "results"


def test_kept_answers_give_the_figures_of_the_table() -> None:
    runs = read_runs(RESULTS / "runs.csv")
    truth, probabilities = answers(runs, "small", "harmonic", RESULTS)
    rows = runs[(runs.preset == "small") & (runs.arm == "harmonic") & runs.fold.isna()]
    for one, expected in zip(
        probabilities, rows.sort_values("seed").balanced_accuracy, strict=True
    ):
        found = balanced_accuracy_score(truth.dx.map(CLASSES.index), one.argmax(axis=1))
        assert found == pytest.approx(expected, abs=2e-3)  # ties of rounded probabilities


def test_the_ensemble_answers_with_the_mean_of_its_members() -> None:
    runs = read_runs(RESULTS / "runs.csv")
    truth, probabilities = answers(runs, "small", "cnn", RESULTS)
    mean = probabilities.mean(axis=0).argmax(axis=1)
    expected = balanced_accuracy_score(truth.dx.map(CLASSES.index), mean)
    line = next(
        text for text in page(runs, RESULTS).splitlines() if text.startswith("| small | cnn |")
    )
    cell = line.split("|")[10]
    low, high = map(float, re.findall(r"[\d.]+", cell)[1:])
    assert cell.strip().startswith(f"{expected:.3f}")
    assert low < expected < high


def test_a_table_without_two_seeds_of_an_arm_says_what_to_run() -> None:
    runs = read_runs(RESULTS / "runs.csv")
    with pytest.raises(InputError, match=r"no arm with two seeds: run `python -m benchmarks.grid"):
        page(runs[runs.preset == "search"], RESULTS)
