"""results/ holds what its pages were made of, and the pages are what comes of it."""

import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.pages import COMMANDS, main, make

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"


def test_the_answers_that_tables_name_are_in_the_repository() -> None:
    listed = ["git", "-C", str(ROOT), "ls-files", "results"]
    tracked = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    named = set()
    for path in RESULTS.glob("*.csv"):
        table = pd.read_csv(path)
        for column in {"predictions", "answers"} & set(table):
            named |= {f"results/{one}" for one in table[column].dropna()}
    assert len(named) > 100
    assert named <= set(tracked)


@pytest.mark.slow
@pytest.mark.parametrize("page", COMMANDS)
def test_every_page_is_what_its_tables_give(page: str, tmp_path: Path) -> None:
    shutil.copytree(RESULTS, tmp_path / "results")
    (tmp_path / "results" / page).unlink()
    make(page, tmp_path)
    made = (tmp_path / "results" / page).read_text(encoding="utf-8")
    if page.endswith(".md"):  # the strokes of a picture may differ with the drawing library
        assert made == (RESULTS / page).read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_changed_answer_changes_its_page(tmp_path: Path) -> None:
    shutil.copytree(RESULTS, tmp_path / "results")
    runs = pd.read_csv(RESULTS / "runs.csv")  # folds have no line on the page
    shown = runs[(runs.preset == "small") & (runs.arm == "harmonic") & runs.fold.isna()]
    place = tmp_path / "results" / shown.predictions.iloc[0]
    answers = pd.read_csv(place)
    answers.iloc[:100, 1:] = answers.iloc[:100, 1:].to_numpy()[::-1]
    answers.to_csv(place, index=False)
    make("accuracy.md", tmp_path)
    made = (tmp_path / "results/accuracy.md").read_text(encoding="utf-8")
    assert made != (RESULTS / "accuracy.md").read_text(encoding="utf-8")


def test_an_unknown_page_and_a_missing_table_are_said(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").mkdir()
    assert main(["leek.md"]) == 1
    assert "leek.md: no page made here; allowed are comparison.md" in capsys.readouterr().err
    assert main(["leak.md"]) == 1
    assert "results/leak.csv is not there" in capsys.readouterr().err
