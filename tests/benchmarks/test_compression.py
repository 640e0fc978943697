"""The table over seeds: which runs it takes, what it holds them against."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.compression.__main__ import main
from benchmarks.compression.networks import chosen_runs
from benchmarks.grid.record import write_gzipped
from benchmarks.grid.table import add_run, read_runs
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.model_file.safetensors_file import save_model
from tests.deploy.conftest import describe, photograph, trained

ARMS = {
    "cnn": {"conv": "plain", "options": {"width": 4}},
    "harmonic": {"options": {"width": 4}},
    "harmonic-binary": {"options": {"width": 4, "binarize": "binary"}},
    "harmonic-level3": {"options": {"width": 4, "level": 3}},
    "hair-none": {"options": {"width": 4}},
}


@pytest.fixture(scope="module")
def grid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of five arms and two seeds, as benchmarks.grid leaves them, with untrained networks."""
    folder = tmp_path_factory.mktemp("grid")
    images = np.stack([photograph(seed, 32, 32) for seed in range(63)])
    rows = [
        {"image_id": f"ISIC_{n:07d}", "lesion_id": f"HAM_{n:07d}", "dx": CLASSES[n % 7],
         "split": ("train", "val", "test")[n // 7 % 3]}
        for n in range(63)
    ]  # fmt: skip
    for arm, changes in ARMS.items():
        for seed in (0, 1):
            place = folder / f"work/small/abc/{arm}-seed{seed}"
            (place / "models").mkdir(parents=True)
            (place / "data").mkdir()
            np.save(place / "data/images.npy", images)
            pd.DataFrame(rows).to_csv(place / "data/split.csv", index=False)
            description = describe(**changes)
            test = [{"image": row["image_id"], **row} for row in rows if row["split"] == "test"]
            write_gzipped(folder / "predictions/abc.csv.gz", pd.DataFrame(test))
            save_model(
                place / "models/model.safetensors",
                trained(description).state_dict(),
                description,
            )
            add_run(
                folder / "runs.csv",
                {"preset": "small", "arm": arm, "seed": seed, "fold": None, "model": arm,
                 "overrides": json.dumps({"seed": seed}), "commit": "0", "data": "abc"},
            )  # fmt: skip
    return folder


@pytest.mark.slow
def test_the_table_holds_every_form_of_every_network(
    grid: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "compression.md"
    words = ["small", "--runs", str(grid / "runs.csv"), "--work", str(grid / "work"),
             "--output", str(output), "--resamples", "50", "--commit", "c0ffee"]  # fmt: skip
    assert main(words) == 0
    first = output.read_text(encoding="utf-8")
    assert capsys.readouterr().out == first
    table = pd.read_csv(output.with_suffix(".csv"), keep_default_na=False)
    assert (table.seeds == 2).all()
    assert set(table.model) == {"harmonic", "cnn"}
    for model, rows in table.groupby("model"):
        after = rows[rows.when == "after training"].weights.tolist()
        assert after == ["bfloat16", "int8", "level 4", "level 3", "level 2", "level 1",
                         "progressive", "ternary",
                         "binary"]  # fmt: skip
        so = rows[rows.when == "trained so"].weights.tolist()
        assert so == (["binary", "level 3"] if model == "harmonic" else [])
        whole = rows[rows.weights == "float32"].iloc[0]
        assert (whole.share, whole.change) == (1, 0)
        assert b"<svg" in (tmp_path / f"compression-{model}.svg").read_bytes()
    runs = read_runs(grid / "runs.csv")
    assert main(words) == 0  # nothing is measured twice
    assert capsys.readouterr().err.count("is there") == 8
    assert read_runs(grid / "runs.csv").equals(runs)
    assert output.read_text(encoding="utf-8") == first


def test_runs_that_cannot_be_compared_are_refused(grid: Path, tmp_path: Path) -> None:
    runs = read_runs(grid / "runs.csv")
    assert len(chosen_runs(runs, "small", None, grid / "work")) == 8
    other = runs.assign(data="def")
    for table, preset, data, part in (
        (runs, "full", None, "no run of full"),
        (pd.concat([runs, other]), "small", None, "are of data abc, def"),
        (pd.concat([runs, other]), "small", "def", "its network is gone"),
    ):
        with pytest.raises(InputError, match=part):
            chosen_runs(table, preset, data, grid / "work")
    assert main(["small", "--runs", str(tmp_path / "none.csv")]) == 1
