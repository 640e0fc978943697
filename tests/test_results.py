"""results/ holds what its pages were made of, and the pages are what comes of it."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from studies.__main__ import main
from studies.pages import PAGES, basis, write_page

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "results"


def test_every_run_is_whole_and_tracked() -> None:
    folders = sorted(path.parent for path in (RESULTS / "runs").rglob("run.json"))
    assert len(folders) >= 315
    listed = ["git", "-C", str(ROOT), "ls-files", "results/runs", "results/data"]
    tracked = subprocess.run(listed, capture_output=True, text=True, check=True).stdout.split()
    for folder in folders:
        record = json.loads((folder / "run.json").read_text())
        fold = f"-fold{record['fold']}" if "fold" in record else ""
        assert folder.name == f"{record['arm']}-seed{record['seed']}{fold}"
        assert folder.parent.name == record["study"]
        assert {"commit", "device"} <= set(record)
        place = folder.relative_to(ROOT).as_posix()
        assert {f"{place}/run.json", f"{place}/params.yaml"} <= set(tracked)
        if (folder / "answers.csv.gz").exists():
            assert f"{place}/answers.csv.gz" in tracked
            assert f"results/data/{record['data']}.csv.gz" in tracked


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if (RESULTS / page).is_file()])
def test_every_page_is_what_its_runs_give(page: str, tmp_path: Path) -> None:
    for name in ("runs", "data"):
        (tmp_path / name).symlink_to(RESULTS / name)
    assert page in write_page(page, tmp_path)
    made = (tmp_path / page).read_text(encoding="utf-8")
    if page.endswith(".md"):  # the strokes of a picture may differ with the drawing library
        assert made == (RESULTS / page).read_text(encoding="utf-8")


def test_the_page_of_bases_answers_its_questions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of other runs, as its own are not made yet."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/basis").symlink_to(RESULTS / "runs/full-100-mixed")
    (tmp_path / "data").symlink_to(RESULTS / "data")
    asked = basis.Question("Harmonic?", "cnn", "harmonic", "better")
    monkeypatch.setattr(basis, "QUESTIONS", (asked,))
    monkeypatch.setattr(basis, "CONFIDENCE", 0.95)
    made = basis.page(tmp_path)["basis.md"]
    told = "harmonic differs from cnn: 0.037 higher balanced accuracy [+0.001, +0.075]"
    assert told in made
    assert told in (RESULTS / "comparison_mixed.md").read_text(encoding="utf-8")
    missing = basis.Question("Random?", "cnn", "random", "")
    monkeypatch.setattr(basis, "QUESTIONS", (missing,))
    with pytest.raises(InputError, match="cnn and random: 0 seeds with answers of both"):
        basis.page(tmp_path)


def test_a_changed_answer_makes_no_page(tmp_path: Path) -> None:
    for name in ("runs/long", "data"):
        shutil.copytree(RESULTS / name, tmp_path / name)
    place = tmp_path / "runs/long/harmonic-seed0/answers.csv.gz"
    answers = pd.read_csv(place)
    answers.iloc[:100, 1:] = np.roll(answers.iloc[:100, 1:].to_numpy(), 1, axis=1)
    answers.to_csv(place, index=False)
    with pytest.raises(InputError, match="harmonic-seed0: balanced_accuracy is 0"):
        write_page("accuracy.md", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "study", "runs", "words"),
    [
        ("compression.md", "small-compressed", "harmonic-int8-*", "has no answer; 1... of 2005"),
        ("leak.md", "leak", "*", "balanced_accuracy is 0..*, but by its answers 0"),
        ("accuracy.md", "small", "cnn-*", "balanced_accuracy is 0..*, but by its answers 0"),
        ("post_protocol.md", "post-protocol", "*", "is 0..*, but by its answers 0"),
    ],
)
def test_runs_of_which_wrong_answers_are_missing_make_no_page(
    page: str, study: str, runs: str, words: str, tmp_path: Path
) -> None:
    for name in (f"runs/{study}", "data"):
        shutil.copytree(RESULTS / name, tmp_path / name)
    places, missing = sorted((tmp_path / "runs" / study).glob(f"{runs}/answers.csv.gz")), None
    for place in places:
        answers = pd.read_csv(place)
        if missing is None:  # the same of all, so that runs agree in their images
            given = answers[["image"]].merge(truth_beside(place), on="image")
            wrong = answers[answered(answers).to_numpy() != given.dx.to_numpy()]
            missing = set(wrong.image[::3])
        answers[~answers.image.isin(missing)].to_csv(place, index=False)
    with pytest.raises(InputError, match=words):
        write_page(page, tmp_path)


def truth_beside(answers: Path) -> pd.DataFrame:
    data = json.loads((answers.parent / "run.json").read_text())["data"]
    return pd.read_csv(RESULTS / f"data/{data}.csv.gz")


def answered(answers: pd.DataFrame) -> pd.Series:
    """The class of each row: written so, or of the highest probability."""
    if "answer" in answers:
        return answers.answer
    return answers[[name.upper() for name in CLASSES]].idxmax(axis=1).str.lower()


def test_an_unknown_page_and_missing_runs_are_said(tmp_path, capsys) -> None:
    assert main(["pages", "leek.md", "--results", str(tmp_path)]) == 1
    assert "leek.md: no page made here; allowed are comparison.md" in capsys.readouterr().err
    assert main(["pages", "leak.md", "--results", str(tmp_path)]) == 1
    assert "runs/leak is not there: no run of leak is finished" in capsys.readouterr().err
