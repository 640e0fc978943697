"""The runner: one folder per run, no run twice, nothing taken for another."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harmonic.errors import InputError
from harmonic.evaluation.run_folder import HEADLINE
from harmonic.evaluation.runs import Run, read_runs, runs_table
from harmonic.learning.checkpoint import save_checkpoint
from studies import runner
from studies.__main__ import main
from studies.data import overridden
from studies.pages.search import best_rates, searched
from studies.preset_runs import runs_of
from studies.presets import PRESETS, RATES, Preset
from studies.runner import Places, Planned, is_finished, work_folder

RUNS = Path(__file__).resolve().parents[2] / "results/runs"
TINY = {
    "source": "archive",
    "epochs": 1,
    "train.width": 4,
    "evaluate.views": 1,
    "image_size": 28,
    "evaluate.resamples": 100,
}


def run(archive: Path, folder: Path, *more: str) -> int:
    places = ["--work", str(folder / "work"), "--runs", str(folder / "runs")]
    return main(
        ["run", "tiny", "--archive", str(archive), "--commit", "0123456789ab", *places, *more]
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.usefixtures("work")
def test_one_folder_per_run_and_no_run_twice(
    archive: Path,
    tmp_path: Path,
    monkeypatch,
    capsys,
) -> None:
    arms = {"harmonic": {}, "cnn": {"model": "cnn"}}
    monkeypatch.setitem(PRESETS, "tiny", Preset(TINY, arms, seeds=(0, 1)))
    assert run(archive, tmp_path, "--seeds", "0") == 0
    first = read_runs([str(tmp_path / "runs")])
    assert [one.name for one in first] == ["cnn-seed0", "harmonic-seed0"]
    assert {one.commit for one in first} == {"0123456789ab"}
    table = runs_table(first)
    assert table.parameters.nunique() == 1  # the same size in both kinds
    assert (table.seconds >= 0).all()
    before = contents(tmp_path / "runs")
    files = {name.split("/")[-1] for name in before}
    assert files == {
        *("params.yaml", "metrics.json", "intervals.json", "figures.json", "run.json"),
        *("history.csv", "answers.csv.gz"),
    }
    (folder,) = (one.folder for one in first if one.name == "cnn-seed0")
    assert folder is not None
    assert set(json.loads((folder / "metrics.json").read_text())) <= set(HEADLINE)

    assert run(archive, tmp_path) == 0
    assert capsys.readouterr().out.count("is there") == 2
    after = contents(tmp_path / "runs")
    assert {name: after[name] for name in before} == before
    assert len(read_runs([str(tmp_path / "runs")], answers=False)) == 4

    # What `compare` reads agrees with the figures, for both rules.
    for one in first:
        assert one.answers is not None
        labels, balanced, natural = (
            one.answers.labels,
            one.answers.balanced,
            one.answers.by_natural_rule(),
        )
        recalls = [(balanced.argmax(1) == labels)[labels == label].mean() for label in set(labels)]
        assert one.metrics["balanced_accuracy"] == pytest.approx(np.mean(recalls), abs=1e-4)
        assert natural is not None
        right = (natural.argmax(axis=1) == labels).mean()
        assert one.metrics["accuracy"] == pytest.approx(right, abs=1e-4)

    # Other parameters or data have another folder, or are refused: nothing is written over.
    monkeypatch.setitem(PRESETS, "tiny", Preset(TINY | {"lr": 0.002}, arms, seeds=(0,)))
    assert run(archive, tmp_path) == 1
    assert "is of lr 0.003, this is of 0.002; move it away" in capsys.readouterr().out
    assert contents(tmp_path / "runs") == after


@pytest.mark.slow
@pytest.mark.usefixtures("work")
def test_a_run_killed_after_its_training_does_not_train_again(
    archive: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setitem(PRESETS, "tiny", Preset(TINY, {"harmonic": {}}, seeds=(0,)))
    epochs = []

    def counted(*state: object) -> None:
        epochs.append(1)
        save_checkpoint(*state)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("harmonic.learning.loop.save_checkpoint", counted)
    for where in ("studies.preset_runs.evaluated", "studies.runner.write_run"):
        with monkeypatch.context() as patched:
            patched.setattr(where, killed)
            assert run(archive, tmp_path) == 130
        assert not (tmp_path / "runs/tiny").exists()
    assert run(archive, tmp_path) == 0
    assert len(epochs) == 1
    (one,) = read_runs([str(tmp_path / "runs")])
    assert one.record["seconds"] >= 0

    # A training that was stopped goes on from its last epoch, and knows no time of its own.
    longer = Preset(TINY | {"epochs": 2}, {"longer": {}}, seeds=(0,))
    monkeypatch.setitem(PRESETS, "tiny", longer)
    with monkeypatch.context() as patched:
        patched.setattr("harmonic.learning.fit.predict_logits", killed)
        assert run(archive, tmp_path) == 130
    assert list((tmp_path / "work").rglob("checkpoint.safetensors"))
    assert run(archive, tmp_path) == 0
    (one,) = (
        each for each in read_runs([str(tmp_path / "runs")]) if each.traits["arm"] == "longer"
    )
    assert "seconds" not in one.record
    assert one.record["epochs"] == 2


@pytest.mark.slow
@pytest.mark.usefixtures("work")
def test_a_search_never_reads_the_test_set(archive: Path, tmp_path: Path, monkeypatch) -> None:
    preset = Preset(TINY, {"harmonic": {}}, seeds=(0,), answered=None)
    monkeypatch.setitem(PRESETS, "tiny", preset)
    assert run(archive, tmp_path) == 0
    (one,) = read_runs([str(tmp_path / "runs")])
    assert 0 <= one.record["val_balanced_accuracy"] <= 1
    assert (one.metrics, one.answers) == ({}, None)
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
@pytest.mark.usefixtures("work")
def test_a_study_of_calibration_keeps_answers_for_the_validation_set_alone(
    archive: Path, tmp_path: Path, monkeypatch
) -> None:
    preset = Preset(TINY, {"harmonic": {}}, seeds=(0,), answered="val")
    monkeypatch.setitem(PRESETS, "tiny", preset)
    assert run(archive, tmp_path) == 0
    (one,) = read_runs([str(tmp_path / "runs")])
    (split,) = (tmp_path / "work").glob("split-*/data/split.csv")
    table = pd.read_csv(split)
    assert one.metrics == {}
    assert set(one.answers.image_ids) == set(table.image_id[table.split == "val"])


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


def test_a_search_has_the_same_budget_for_every_kind() -> None:
    rates: dict[str, list[float]] = {}
    for name, overrides in PRESETS["search"].arms.items():
        rates.setdefault(name.rpartition("-lr")[0], []).append(overrides["lr"])
    assert len(rates) > 1
    assert len({tuple(sorted(found)) for found in rates.values()}) == 1
    assert PRESETS["search"].answered is None


def search_runs() -> list[Run]:
    return read_runs([str(RUNS / "search")], answers=False)


def test_the_rates_are_those_the_search_found() -> None:
    """Whoever changes a rate without a run of the search that says so, fails here."""
    assert best_rates(searched(search_runs())) == RATES
    for arm in PRESETS["small"].arms.values():
        assert arm["lr"] in RATES.values()
    with pytest.raises(InputError, match="1 runs of the search are missing, the first is cnn-lr0"):
        searched(search_runs()[1:])


def test_an_arm_takes_what_its_search_found_best(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="random-sgd: 10 runs of its search are missing, random-"):
        runs_of("basis", ["random-sgd"], [0], folds=0, kept=tmp_path)
    for number, arm in enumerate(PRESETS["basis-search"].arms):
        folder = tmp_path / "basis-search" / f"{arm}-seed0"
        folder.mkdir(parents=True)
        best = arm == "random-sgd-lr0.05-decay0.001"
        score = 0.9 if best else 0.5 + number / 1000
        (folder / "run.json").write_text(json.dumps({"val_balanced_accuracy": score}))
    (one,) = runs_of("basis", ["random-sgd"], [0], folds=0, kept=tmp_path)
    assert (one.overrides["lr"], one.overrides["train.weight_decay"]) == (0.05, 0.001)
    assert one.overrides["train.transform"] == "random"


def test_the_search_over_bases_asks_the_same_of_every_arm() -> None:
    searched = PRESETS["basis-search"]
    assert searched.answered is None
    for arm in PRESETS["basis"].arms:
        asked = [found for name, found in searched.arms.items() if name.startswith(f"{arm}-lr")]
        values = {(found["lr"], found["train.weight_decay"]) for found in asked}
        assert len(asked) == len(values) == 10
        assert {len({value[place] for value in values}) for place in (0, 1)} == {2, 5}


def test_published_runs_are_of_the_presets_and_listed_as_there(capsys) -> None:
    for preset in ("search", "long"):
        assert main(["run", preset, "--list", "--runs", str(RUNS)]) == 0
        lines = capsys.readouterr().out.splitlines()
        missing = [line for line in lines if not line.startswith("there ")]
        assert not missing
        assert len(lines) == len(PRESETS[preset].arms) * len(PRESETS[preset].seeds)
    assert main(["run", "full", "--list", "--runs", str(RUNS)]) == 0
    assert set(capsys.readouterr().out.split("\n")[0].split()[:2]) == {"missing", "full"}


def test_work_of_other_parameters_or_code_is_not_taken_up(tmp_path: Path, monkeypatch) -> None:
    """Those that params.yaml has for every run, too."""
    (one,) = runs_of("small", ["cnn"], [0], folds=0)
    places = Places(tmp_path / "a.zip", tmp_path / "work", tmp_path / "runs", "0" * 12)
    before = work_folder(one, places, "data")
    assert work_folder(one, places, "data") == before
    assert work_folder(one, replace(places, commit="1" * 12), "data") != before
    with monkeypatch.context() as other_code:  # under a commit of the same name
        other_code.setattr(runner, "code_digest", lambda: "0")
        assert work_folder(one, places, "data") != before
    assert is_finished(one, RUNS)
    changed = overridden({**one.overrides, "train.label_smoothing": 0.3})
    monkeypatch.setattr(runner, "overridden", lambda overrides: changed)
    assert work_folder(one, places, "data") != before
    with pytest.raises(InputError, match=r"is of train.label_smoothing 0.0, this is of 0.3; move"):
        is_finished(one, RUNS)


def test_a_launcher_of_several_processes_is_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch, capsys
) -> None:
    """Each would take a run of its own, and all would add up their gradients."""
    for name, value in (("RANK", 1), ("WORLD_SIZE", 2), ("LOCAL_RANK", 1), ("MASTER_PORT", 29777)):
        monkeypatch.setenv(name, str(value))
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    for words in (["run", "small"], ["leak"], ["post-protocol"], ["small-data", "run"]):
        assert main([*words, "--archive", str(tmp_path), "--runs", str(tmp_path / "runs")]) == 1
        assert "RANK=1 and WORLD_SIZE=2" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_place_for_work_that_cannot_be_made_is_told_at_once(tmp_path: Path, capsys) -> None:
    (tmp_path / "work").write_text("a file")
    words = ["run", "small", "--archive", str(tmp_path), "--commit", "0123456789ab"]
    assert main([*words, "--work", str(tmp_path / "work" / "more")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("work/more: cannot be made (Not a directory)")


def test_a_full_disk_fails_a_run_and_the_next_is_tried(tmp_path: Path, capsys, monkeypatch) -> None:
    def full(run: Planned, places: Places) -> str:
        raise OSError(28, "No space left on device", "x.npy")

    monkeypatch.setattr(runner, "do", full)
    words = ["run", "small", "--archive", str(tmp_path), "--commit", "0123456789ab"]
    words += ["--work", str(tmp_path / "work"), "--runs", str(tmp_path / "runs"), "--seeds", "0"]
    assert main(words) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 1
    assert all("failed: [Errno 28] No space left on device: 'x.npy'" in line for line in lines)


def test_folds_and_seeds_come_pair_by_pair() -> None:
    runs = runs_of("small", ["harmonic", "cnn"], [0, 1], folds=2)
    assert [one.name for one in runs[:3]] == [
        "harmonic-seed0-fold0",
        "cnn-seed0-fold0",
        "harmonic-seed0-fold1",
    ]
    assert runs[2].overrides["split.fold"] == 1


def test_all_runs_come_out_as_one_table(capsys) -> None:
    import io

    assert main(["table", str(RUNS / "long"), str(RUNS / "leak")]) == 0
    table = pd.read_csv(io.StringIO(capsys.readouterr().out))
    assert len(table) == 9 + 12
    assert {"balanced_accuracy", "commit", "params.model", "seconds"} <= set(table)


def test_a_run_on_other_images_of_the_same_data_is_another(tmp_path: Path) -> None:
    """Two sets of split files under one name: neither finished nor unfinished work is shared."""
    places = Places(tmp_path / "archive", tmp_path / "work", tmp_path / "runs", "c0ffee")
    rows = {name: np.arange(number, number + 3) for number, name in enumerate(("train", "val"))}
    one, other = (
        Planned("tiny", "harmonic", 0, {}, rows=sets)
        for sets in (rows, rows | {"val": np.arange(9)})
    )
    assert work_folder(one, places, "d") != work_folder(other, places, "d")
    folder = one.folder(places.runs)
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_text("{}\n")
    for record in ({"data": "d", "rows": one.rows_digest}, {"data": "d"}):  # older ones lack it
        (folder / "run.json").write_text(json.dumps(record))
        assert is_finished(one, places.runs, "d")
    assert is_finished(other, places.runs, "d")
    (folder / "run.json").write_text(json.dumps({"data": "d", "rows": one.rows_digest}))
    with pytest.raises(InputError, match="is of other images of these data; move it away"):
        is_finished(other, places.runs, "d")
