"""The report doubts nothing of an untouched run; of one changed value it names file and figure."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.stages.clones import DVC, call, environment, lock

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(clone: Path) -> Path:
    call(clone, DVC, "repro")
    call(clone, DVC, "unprotect", "models", "reports", "data")
    return clone


def reported(folder: Path) -> str:
    """What the stage says on standard error, run as its `cmd` has it but without DVC."""
    words = lock(folder)["report"]["cmd"].split()
    words[0] = sys.executable
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    lines = [line for line in done.stderr.splitlines() if "report: warning: " in line]
    page = (folder / "reports/report.html").read_text(encoding="utf-8")
    assert ("do not fit together" in page) == bool(lines)
    return "\n".join(lines)


def test_an_untouched_run_is_not_doubted(finished: Path) -> None:
    assert reported(finished) == ""


def change_cell(column: str, row: int, value: float | str):
    def change(path: Path) -> None:
        table = pd.read_csv(path, dtype=object, keep_default_na=False)
        table.loc[row, column] = value
        table.to_csv(path, index=False)

    return change


def change_figure(name: str, amount: float):
    def change(path: Path) -> None:
        figures = json.loads(path.read_text())
        figures[name] += amount
        path.write_text(json.dumps(figures))

    return change


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        ("reports/metrics.json", change_figure("macro_f1", 0.01), "macro_f1 is "),
        ("reports/intervals.json", change_figure("ece_low", 0.01), "ece_low is "),
        ("reports/figures.json", change_figure("temperature", 0.01), "temperature is "),
        ("reports/per_class.csv", change_cell("sensitivity", 1, 0.123), "in per_class.csv"),
        ("reports/per_class.csv", change_cell("auc_high", 1, 0.123), "in per_class.csv"),
        (
            "reports/operating_points.csv",
            change_cell("threshold", 0, 0.9876),
            "in operating_points.csv",
        ),
        ("reports/subgroups.csv", change_cell("images", 0, 3), "in subgroups.csv"),
        ("models/history.csv", change_cell("val_balanced_accuracy", 0, 0.99), "history.csv"),
        ("data/split.csv", change_cell("lesion_id", 5, "HAM_0"), "HAM_0 in split.csv"),
        ("data/fingerprint.json", change_figure("lesions", 1), "in fingerprint.json"),
        ("reports/lr_range/suggestion.json", change_figure("suggested_lr", 1), "suggestion.json"),
    ],
)
def test_one_changed_value_is_named(finished: Path, path: str, change, words: str) -> None:
    place = finished / path
    kept = place.with_suffix(".kept")
    shutil.copy2(place, kept)
    try:
        change(place)
        assert words in reported(finished)
    finally:
        kept.replace(place)
