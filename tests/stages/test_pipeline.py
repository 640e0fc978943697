"""The pipeline as a person runs it: `dvc` in a fresh clone, on a small sample."""

import csv
import json
import shutil
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from harmonic.evaluation.run_folder import HEADLINE
from tests.stages.clones import (
    DVC,
    ROOT,
    SMALL,
    call,
    change_params,
    kill,
    lock,
    start,
    tried,
    wait_until,
)


@pytest.mark.slow
def test_the_whole_pipeline_runs_and_then_rests(made: Path, clone: Path) -> None:
    printed = (made.parent / "printed").read_text(encoding="utf-8")
    assert printed.count("Running stage") == 10
    metrics, intervals, figures = (
        json.loads((clone / f"reports/{name}.json").read_text(encoding="utf-8"))
        for name in ("metrics", "intervals", "figures")
    )
    assert set(metrics) == set(HEADLINE)
    assert not set(figures) & (set(metrics) | set(intervals))
    for name in HEADLINE:
        assert intervals[f"{name}_low"] <= metrics[name] <= intervals[f"{name}_high"]
    page = (clone / "reports/report.html").read_text(encoding="utf-8")
    assert f"{metrics['balanced_accuracy']:.3f}" in page
    assert "Running stage" not in call(clone, DVC, "repro")
    assert not list((clone / ".partial").rglob("*.*"))


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
def test_predict_answers_as_evaluate_did(clone: Path, suffix: str) -> None:
    """From the raw photographs, in either format, to the rounding of the calculation."""
    harmonic = [sys.executable, "-m", "harmonic"]
    model = f"models/model.{suffix}"
    if suffix == "onnx":
        call(clone, *harmonic, "export", "models/model.safetensors", "-o", model)
    text = call(clone, *harmonic, "predict", model, "data/raw/images", "--json")
    answers = {Path(row["image"]).stem: row for row in json.loads(text)}
    for name, key in (("", "balanced_probabilities"), ("_natural", "probabilities")):
        with (clone / f"reports/predictions{name}.csv").open(encoding="utf-8") as table:
            for row in csv.DictReader(table):
                found = list(answers[row.pop("image")][key].values())
                assert found == pytest.approx([float(value) for value in row.values()], abs=1e-5)


@pytest.mark.slow
def test_only_what_a_change_concerns_runs_again(clone: Path) -> None:
    change_params(clone, evaluate={"resamples": 120})
    printed = call(clone, DVC, "repro", "--dry")
    ran = [line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage")]
    change_params(clone, evaluate={"resamples": 100})
    assert ran[0] == "evaluate"
    assert set(ran) == {"evaluate", "report"}


@pytest.mark.slow
def test_a_network_is_not_tested_on_what_it_was_trained_on(clone: Path) -> None:
    """Another split, and the stages after training alone: test images would be known ones."""
    change_params(clone, split={"seed": 5})
    call(clone, DVC, "repro", "--single-item", "split")
    before = lock(clone)
    for stage in ("evaluate", "compress"):
        done = tried(clone, DVC, "repro", "--single-item", stage)
        assert done.returncode != 0
        assert f"{stage}: model models/model.safetensors: was trained on data " in done.stderr
    assert lock(clone) == before
    call(clone, "git", "checkout", "HEAD", "--", ".")
    call(clone, DVC, "checkout")


@pytest.mark.slow
def test_a_wrong_parameter_stops_the_first_stage_and_loses_nothing(clone: Path) -> None:
    before = (clone / "dvc.lock").read_bytes()
    done = tried(clone, DVC, "exp", "run", "-S", "download.images=many")
    assert done.returncode != 0
    assert "download: params.yaml: download.images is 'many'; it must be a whole" in done.stderr
    change_params(clone, download={"images": 200})
    assert (clone / "dvc.lock").read_bytes() == before
    call(clone, DVC, "checkout")
    assert "Running stage" not in call(clone, DVC, "repro")


PIPELINE: dict[str, Any] = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
STAGE_ALONE = {name: stage["cmd"].split() for name, stage in PIPELINE.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "sign", "output"),
    [
        ("download", "sample/*/*.jpg", "data/raw"),
        ("remove_hair", "hairless/*.jpg", "data/hairless"),
        ("train", "checkpoint.safetensors", "models/model.safetensors"),
    ],
)
def test_a_killed_stage_goes_on_and_ends_the_same(
    clone: Path, stage: str, sign: str, output: str
) -> None:
    if stage == "train":
        change_params(clone, epochs=6)
        call(clone, DVC, "repro", "train")
    before = lock(clone)
    partial = clone / ".partial" / stage
    shutil.rmtree(partial, ignore_errors=True)  # what the finished run left
    process = start(clone, stage)
    wait_until(lambda: any(partial.glob(f"*/{sign}")), process)
    kill(clone, process)
    whole = [path for path in partial.glob(f"*/{sign}") if not path.name.startswith(".")]
    kept = {path.name: path.stat().st_mtime_ns for path in whole}
    assert not (clone / output).exists()
    call(clone, *STAGE_ALONE[stage])
    assert (clone / output).exists()
    if stage == "train":
        log = json.loads((clone / "logs/train.json").read_text(encoding="utf-8"))
        assert log["resumed_after_epoch"] >= 1
    elif stage == "remove_hair":  # what was whole before the kill was not made again
        now = {path.name: path.stat().st_mtime_ns for path in (clone / output).iterdir()}
        assert {name: now[name] for name in kept} == kept
    call(clone, DVC, "repro", stage)
    assert lock(clone) == before
    change_params(clone, epochs=SMALL["epochs"])
    call(clone, DVC, "repro", stage)


@pytest.mark.slow
def test_a_queue_of_two_models_gives_two_rows_their_difference_and_plots(clone: Path) -> None:
    settings = ["-S", "model=harmonic,cnn", "-S", "seed=1"]
    call(clone, DVC, "exp", "run", "--queue", *settings, "evaluate")
    call(clone, DVC, "queue", "start")
    deadline = time.monotonic() + 600
    finished = ["git", "for-each-ref", "--format=%(refname:lstrip=-1)", "refs/exps/*/*/*"]
    while len(names := call(clone, *finished).split()) < 2:  # cheaper to ask than `dvc queue`
        assert time.monotonic() < deadline, call(clone, DVC, "queue", "status")
        time.sleep(1)
    rows = json.loads(call(clone, DVC, "exp", "show", "--json"))
    experiments = next(row for row in rows if row["rev"] != "workspace")["experiments"]
    assert len(experiments) == 2
    found = {}
    for experiment in experiments:
        data = experiment["revs"][-1]["data"]
        params = data["params"]["params.yaml"]["data"]
        metrics = data["metrics"]["reports/metrics.json"]["data"]
        found[params["model"], params["seed"]] = metrics["log_loss"]
    assert set(found) == {("harmonic", 1), ("cnn", 1)}
    changes = json.loads(call(clone, DVC, "metrics", "diff", "--json", *names))
    compared = changes["reports/metrics.json"]["log_loss"]
    assert {compared["old"], compared["new"]} == set(found.values())
    call(clone, DVC, "plots", "show")
    text = (clone / "dvc_plots/index.html").read_text(encoding="utf-8")
    for title in ("Loss", "Validation", "Confusion on the test set"):
        assert title in text


@pytest.mark.slow
def test_a_changed_archive_runs_again_and_a_bad_one_loses_nothing(clone: Path) -> None:
    before = (clone / "dvc.lock").read_bytes()
    archive = clone.parent / "archive é.zip"
    members = sorted(path for path in (clone / "data/raw").rglob("*") if "truth" not in path.parts)

    def write_archive(paths: list[Path]) -> None:
        with zipfile.ZipFile(archive, "w") as file:
            for path in paths:
                file.write(path, path.relative_to(clone / "data/raw"))

    write_archive(members)
    change_params(clone, source="archive", archive=str(archive))
    assert "Running stage 'download'" in call(clone, DVC, "repro", "verify")
    assert "Running stage" not in call(clone, DVC, "repro", "verify")
    write_archive(members[::-1])  # other bytes, the same content
    assert "Running stage 'download'" in call(clone, DVC, "repro", "verify")
    good = (clone / "dvc.lock").read_bytes()

    archive.write_bytes(archive.read_bytes()[:-1000])
    done = tried(clone, DVC, "repro")
    assert done.returncode != 0
    lines = [line for line in done.stderr.splitlines() if line.startswith("download: ")]
    assert len(lines) == 1
    assert "not a whole zip file" in lines[0]
    assert (clone / "dvc.lock").read_bytes() == good

    change_params(clone, source="sample", archive="data/no-archive")
    (clone / "dvc.lock").write_bytes(before)
    call(clone, DVC, "checkout")
    assert "Running stage" not in call(clone, DVC, "repro")
