"""The report doubts nothing of an untouched run; of one changed value it names file and figure."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from harmonic.report.files import RunFiles
from harmonic.report.reading import read_contents
from stages.harness.params import load_params
from tests.stages.clones import DVC, call, environment, lock

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(clone: Path) -> Path:
    call(clone, DVC, "unprotect", "models", "reports", "data")
    return clone


def doubts(folder: Path) -> str:
    """What the report of the run in a folder doubts."""
    words = lock(folder)["report"]["cmd"].split()
    given = {word[2:].replace("-", "_"): folder / words[n + 1] for n, word in enumerate(words)
             if word.startswith("--")}  # fmt: skip
    files = RunFiles(**{field.name: given[field.name] for field in fields(RunFiles)})
    params = load_params(folder / "params.yaml").model_dump()
    return "\n".join(read_contents(files, params, torch.device("cpu")).doubts)


def test_an_untouched_run_is_not_doubted(finished: Path) -> None:
    assert doubts(finished) == ""
    assert "do not fit together" not in (finished / "reports/report.html").read_text("utf-8")


def test_doubts_stand_on_the_page_and_on_standard_error(finished: Path) -> None:
    """The stage, run as its `cmd` has it but without DVC."""
    words = [sys.executable, *lock(finished)["report"]["cmd"].split()[1:]]
    with changed(finished / "reports/metrics.json", change_figure("macro_f1", 0.01)):
        done = subprocess.run(
            words, cwd=finished, capture_output=True, text=True, env=environment(), check=False
        )
    assert done.returncode == 0, done.stderr
    assert "report: warning: macro_f1 is " in done.stderr
    assert "do not fit together" in (finished / "reports/report.html").read_text("utf-8")


@contextmanager
def changed(path: Path, change: Callable[[Path], None]) -> Iterator[None]:
    kept = path.with_suffix(".kept")
    shutil.copy2(path, kept)
    try:
        change(path)
        yield
    finally:
        kept.replace(path)


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


def swap_answers(path: Path) -> None:
    """The first image, which the network is asked again, is answered with another class."""
    table = pd.read_csv(path)
    answers = table.columns.drop("image")
    table.loc[0, answers] = np.roll(table.loc[0, answers].to_numpy(), 1)
    table.to_csv(path, index=False)


@pytest.mark.parametrize(
    ("path", "change", "words"),
    [
        ("reports/metrics.json", change_figure("macro_f1", 0.01), "macro_f1 is "),
        ("reports/intervals.json", change_figure("ece_low", 0.01), "ece_low is "),
        ("reports/figures.json", change_figure("temperature", 0.01), "temperature is "),
        ("reports/figures.json", change_figure("prior_exponent", 0.01), "prior_exponent is "),
        ("reports/per_class.csv", change_cell("sensitivity", 1, 0.123), "in per_class.csv"),
        ("reports/per_class.csv", change_cell("auc_high", 1, 0.123), "in per_class.csv"),
        (
            "reports/operating_points.csv",
            change_cell("threshold", 0, 0.9876),
            "in operating_points.csv",
        ),
        ("reports/subgroups.csv", change_cell("images", 0, 3), "in subgroups.csv"),
        ("reports/compression.csv", change_cell("parameters", 0, 7), "in compression.csv"),
        ("models/history.csv", change_cell("val_balanced_accuracy", 0, 0.99), "history.csv"),
        ("reports/predictions.csv", swap_answers, " in predictions.csv, but "),
        ("data/split.csv", change_cell("lesion_id", 5, "HAM_0"), "HAM_0 in split.csv"),
        ("data/fingerprint.json", change_figure("lesions", 1), "in fingerprint.json"),
        ("reports/lr_range/suggestion.json", change_figure("suggested_lr", 1), "suggestion.json"),
    ],
)
def test_one_changed_value_is_named(finished: Path, path: str, change, words: str) -> None:
    with changed(finished / path, change):
        assert words in doubts(finished)
