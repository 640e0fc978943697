"""What can be seen of a training while it runs: its history, and a bar that counts epochs."""

import io
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from torch import nn
from tqdm import tqdm

from harmonic.data.arrays import LabelledImages
from harmonic.learning import loop
from harmonic.learning.fit import HISTORY, fit
from stages.harness.params import load_params
from stages.training import plan_of

ROOT = Path(__file__).parents[2]


def trained(data: LabelledImages, folder: Path, epochs: int, **more: Any) -> None:
    params = load_params(ROOT / "params.yaml")
    train = params.train.model_copy(update={"width": 8})
    changed = {"train": train, "epochs": epochs, "image_size": 28, "exact": False}
    sets = np.where(np.arange(len(data.labels)) % 2, "train", "val")
    plan = plan_of(params.model_copy(update=changed))
    fit(plan, replace(data, sets=sets), folder, device="cpu", digest="0", **more)


def test_the_history_grows_and_ends_as_it_is_kept(training: LabelledImages, tmp_path: Path) -> None:
    growing, rows = tmp_path / "models" / "history.csv", []

    def watch(network: nn.Module, epoch: int) -> dict[str, float]:
        rows.append(len(pd.read_csv(growing)) if growing.exists() else 0)
        return {}

    trained(training, tmp_path, 3, watch=watch, growing=growing)
    assert rows == [0, 1, 2]
    assert growing.read_bytes() == (tmp_path / HISTORY).read_bytes()


def test_the_bar_counts_epochs_and_keeps_its_width(
    training: LabelledImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = io.StringIO()
    shown = {"file": terminal, "ncols": 80, "disable": False, "mininterval": 0, "ascii": True}
    monkeypatch.setattr(loop, "tqdm", lambda **given: tqdm(**{**given, **shown}))
    trained(training, tmp_path, 12)
    lines = [line for line in re.split(r"[\r\n]+", terminal.getvalue()) if "epoch" in line]
    for epoch in range(1, 13):
        assert any(f"epoch {epoch:2} of 12 |" in line for line in lines)
    known = [line for line in lines if "<?" not in line]  # not before the first step has ended
    widths = {len(match[1]) for line in known if (match := re.search(r"\|(.*)\|", line))}
    assert len(widths) == 1
    assert min(widths) >= 20
    assert max(map(len, lines)) <= 80
