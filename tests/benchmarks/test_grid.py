"""The runner of experiments: a row a finished run, no run twice, nothing taken for another."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from benchmarks.grid import __main__ as grid
from benchmarks.grid.presets import PRESETS, RATES, Preset
from benchmarks.grid.run import runs_of
from benchmarks.grid.table import add_run, has_run, read_runs
from benchmarks.grid.work import overridden
from benchmarks.search import best_rates, searched
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.sample.archive import fetch_sample

ROOT = Path(__file__).resolve().parents[2]
TINY = {"source": "archive", "epochs": 1, "train.width": 4, "evaluate.views": 1, "image_size": 28}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    fetch_sample(folder / "raw", folder / "unfinished", images=100, seed=1)
    return folder / "raw"


def run_grid(archive: Path, folder: Path, *more: str) -> int:
    places = ["--work", str(folder / "work"), "--results", str(folder / "runs.csv")]
    return grid.main(
        ["tiny", "--archive", str(archive), "--commit", "0123456789ab", *places, *more]
    )


@pytest.mark.slow
def test_a_row_a_run_and_no_run_twice(
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    arms = {"harmonic": {}, "cnn": {"model": "cnn"}}
    monkeypatch.setitem(PRESETS, "tiny", Preset(TINY, arms, seeds=(0, 1)))
    assert run_grid(archive, tmp_path, "--seeds", "0") == 0
    first = read_runs(tmp_path / "runs.csv")
    assert first.arm.tolist() == ["harmonic", "cnn"]
    assert first.model.tolist() == ["harmonic", "cnn"]
    assert set(first.commit) == {"0123456789ab"}
    assert first.parameters.nunique() == 1  # the same size in both kinds

    assert run_grid(archive, tmp_path) == 0
    assert capsys.readouterr().out.count("is there") == 2
    both = read_runs(tmp_path / "runs.csv")
    assert both.seed.tolist() == [0, 0, 1, 1]
    pd.testing.assert_frame_equal(both.head(2), first)

    # A run taken up again does not call its last part's time its own.
    assert (both.seconds > 0).all()
    (tmp_path / "runs.csv").unlink()
    assert run_grid(archive, tmp_path, "--seeds", "0") == 0
    again = read_runs(tmp_path / "runs.csv")
    assert again.seconds.isna().all()
    assert again.balanced_accuracy.tolist() == first.balanced_accuracy.tolist()

    # The row's figure follows from the predictions kept beside it.
    row = both.iloc[2]
    kept = pd.read_csv(tmp_path / row.predictions)
    truth = pd.read_csv(tmp_path / f"predictions/{row.data}.csv.gz")
    assert kept.image.tolist() == truth.image.tolist()
    columns = [name.upper() for name in CLASSES]
    answers = np.array(CLASSES)[kept[columns].to_numpy().argmax(axis=1)]
    assert row.balanced_accuracy == pytest.approx(
        balanced_accuracy_score(truth.dx, answers), abs=1e-3
    )


@pytest.mark.slow
def test_a_run_killed_after_its_training_does_not_train_again(
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(PRESETS, "tiny", Preset(TINY, {"harmonic": {}}, seeds=(0,)))

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("benchmarks.grid.run.measured", killed)
        with pytest.raises(KeyboardInterrupt):
            run_grid(archive, tmp_path)
    assert not (tmp_path / "runs.csv").exists()
    (model,) = (tmp_path / "work").rglob("model.safetensors")
    folder = model.parents[1]
    trained, evaluated = (
        path.stat().st_mtime_ns for path in (model, folder / "reports/metrics.json")
    )

    # Killed in the middle of evaluate: trained once, evaluated again.
    (folder / "logs/evaluate.json").unlink()
    assert run_grid(archive, tmp_path) == 0
    assert model.stat().st_mtime_ns == trained
    assert (folder / "reports/metrics.json").stat().st_mtime_ns > evaluated
    assert len(read_runs(tmp_path / "runs.csv")) == 1

    # Killed between the figures and the row: neither again.
    (tmp_path / "runs.csv").unlink()
    evaluated = (folder / "reports/metrics.json").stat().st_mtime_ns
    assert run_grid(archive, tmp_path) == 0
    assert model.stat().st_mtime_ns == trained
    assert (folder / "reports/metrics.json").stat().st_mtime_ns == evaluated

    # Other parameters are other work, whatever lies in the folder.
    longer = Preset(TINY | {"epochs": 2}, {"harmonic": {}}, seeds=(0,))
    monkeypatch.setitem(PRESETS, "tiny", longer)
    assert run_grid(archive, tmp_path) == 0
    assert model.stat().st_mtime_ns > trained
    assert read_runs(tmp_path / "runs.csv").epochs.tolist() == [1, 2]


@pytest.mark.slow
def test_a_search_never_reads_the_test_set(
    archive: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    preset = Preset(TINY, {"harmonic": {}}, seeds=(0,), evaluated=False)
    monkeypatch.setitem(PRESETS, "tiny", preset)
    assert run_grid(archive, tmp_path) == 0
    row = read_runs(tmp_path / "runs.csv").iloc[0]
    assert 0 <= row.val_balanced_accuracy <= 1
    assert "balanced_accuracy" not in row
    assert not list((tmp_path / "work").rglob("metrics.json"))


def test_every_preset_names_keys_of_params_yaml() -> None:
    for preset in PRESETS.values():
        for arm in preset.arms.values():
            assert overridden(preset.base | arm)["source"] == "archive"


def test_an_unknown_key_or_arm_is_refused_by_name() -> None:
    with pytest.raises(InputError, match=r"train\.depth is no key"):
        overridden({"train.depth": 3})
    with pytest.raises(InputError, match="cnm is not in small; it has harmonic, cnn"):
        runs_of("small", ["cnm"], [0], folds=0)
    with pytest.raises(InputError, match="folds is 30"):
        runs_of("small", ["cnn"], [0], folds=30)


@pytest.mark.parametrize("content", [b"", b'a,b\n"', b"\xff\xfe", b"a,b\n1,2\n"])
def test_a_file_that_is_no_table_of_runs_is_told(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match="no table of runs"):
        read_runs(path)


def test_a_search_has_the_same_budget_for_every_kind() -> None:
    arms = PRESETS["search"].arms
    rates: dict[str, list[float]] = {}
    for name, overrides in arms.items():
        rates.setdefault(name.rpartition("-lr")[0], []).append(overrides["lr"])
    assert len(rates) > 1
    assert len({tuple(sorted(found)) for found in rates.values()}) == 1
    assert not PRESETS["search"].evaluated


def test_the_rates_are_those_the_search_found() -> None:
    """Whoever changes a rate without a row of the search that says so, fails here."""
    scores = searched(read_runs(ROOT / "results/runs.csv"))
    assert best_rates(scores) == RATES
    for arm in PRESETS["small"].arms.values():
        assert arm["lr"] in RATES.values()


def test_rows_of_other_data_or_params_are_other_runs(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    row = {"preset": "p", "arm": "a", "seed": 0, "fold": None, "overrides": "{}", "data": "00"}
    add_run(path, row | {"balanced_accuracy": 0.5})
    add_run(path, row | {"balanced_accuracy": 0.9})  # the first one stands
    add_run(path, row | {"data": "01", "macro_auc": 0.9})  # a new column
    add_run(path, row | {"fold": 3})
    runs = read_runs(path)
    assert len(runs) == 3
    assert runs.balanced_accuracy.tolist()[0] == 0.5
    assert has_run(runs, row)
    assert has_run(runs, row | {"fold": 3})
    assert not has_run(runs, row | {"overrides": json.dumps({"lr": 1})})


def test_folds_and_seeds_come_pair_by_pair() -> None:
    runs = runs_of("small", ["harmonic", "cnn"], [0, 1], folds=2)
    assert [run.name for run in runs[:3]] == [
        "harmonic-seed0-fold0",
        "cnn-seed0-fold0",
        "harmonic-seed0-fold1",
    ]
    assert runs[2].overrides["split.fold"] == 1
