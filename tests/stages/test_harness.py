"""Unfinished work, moving into place, locking, and the one line that an error gets."""

import fcntl
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.model_file.safetensors_file import load_model
from stages import train
from stages.harness.params import load_params
from stages.harness.partial import move_into_place, stage_digest
from stages.harness.recorded import content_digest
from stages.harness.stage import Stage, run_stage
from tests.stages.clones import change_params

ROOT = Path(__file__).parents[2]


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    """An empty project folder with the committed parameters, as working directory."""
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "index.csv").write_text("a\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(work: Callable[[Stage], None]) -> int:
    return run_stage(
        "split",
        work,
        reads=["index"],
        writes=["split"],
        argv=["--index", "index.csv", "--split", "data/split.csv"],
    )


def test_a_whole_result_is_moved_into_place_and_logged(project: Path) -> None:
    def work(stage: Stage) -> None:
        stage.log["speed"] = 1
        stage.writes.split.write_text("done", encoding="utf-8")

    assert run(work) == 0
    assert (project / "data/split.csv").read_text(encoding="utf-8") == "done"
    log = json.loads((project / "logs/split.json").read_text(encoding="utf-8"))
    assert log["speed"] == 1
    assert log["stage"] == "split"
    assert [path.name for path in (project / ".partial/split").glob("*/*")] == ["done"]


def test_two_places_of_one_name_are_two_files(project: Path) -> None:
    def work(stage: Stage) -> None:
        for name, place in vars(stage.writes).items():
            place.write_text(name, encoding="utf-8")

    words = ["--one", "a/p.csv", "--two", "b/p.csv"]
    assert run_stage("split", work, writes=["one", "two"], argv=words) == 0
    assert [Path(place).read_text(encoding="utf-8") for place in words[1::2]] == ["one", "two"]


def test_an_experiment_in_a_folder_of_its_own_is_not_said_to_go_on(
    project: Path, monkeypatch, capsys
) -> None:
    def work(stage: Stage) -> None:
        raise KeyboardInterrupt

    assert run(work) == 130
    assert "interrupted; the next run goes on from here" in capsys.readouterr().err
    alone = project / ".dvc/tmp/exps/standalone/tmp1"
    alone.parent.mkdir(parents=True)
    shutil.copytree(project, alone, ignore=shutil.ignore_patterns(".dvc"))
    monkeypatch.chdir(alone)
    assert run(work) == 130
    assert f"begins anew, so `rm -rf {alone}` clears" in capsys.readouterr().err


@pytest.mark.parametrize("second", ["a/p.csv", "./a/../a/p.csv", "a"])
def test_two_outputs_at_one_place_are_refused_before_work(project: Path, second, capsys) -> None:
    def work(stage: Stage) -> None:
        raise AssertionError("not reached")

    words = ["--one", "a/p.csv", "--two", second]
    assert run_stage("split", work, writes=["one", "two"], argv=words) == 1
    assert "give another place" in capsys.readouterr().err


def test_a_device_or_a_pipe_is_not_replaced_by_an_output(project: Path, capsys) -> None:
    os.mkfifo("pipe")
    words = ["--index", "index.csv", "--split", "pipe"]
    assert run_stage("split", print, reads=["index"], writes=["split"], argv=words) == 1
    assert "--split pipe: is a device or a pipe, and is not replaced" in capsys.readouterr().err
    assert Path("pipe").is_fifo()


def test_training_by_hand_writes_where_it_is_told(project: Path, monkeypatch) -> None:
    """Whatever the files are called there."""
    small = {"network": "small", "width": 4, "level": 1}
    change_params(project, exact=False, epochs=1, image_size=28, train=small)
    pixels = np.random.default_rng(0).integers(0, 255, (21, 28, 28, 3), dtype=np.uint8)
    np.save("images.npy", pixels)
    ids = [f"ISIC_{number}" for number in range(21)]
    sets = np.repeat(["train", "val", "test"], 7)
    table = {"image_id": ids, "lesion_id": ids, "dx": 3 * [*CLASSES], "split": sets}
    pd.DataFrame(table).to_csv("split.csv", index=False)
    places = {"--model": "out/mine.st", "--history": "out/mine", "--first-batch": "out/mine.png"}
    given = {"--images": "images.npy", "--split": "split.csv", **places}
    monkeypatch.setattr("sys.argv", ["train", *chain.from_iterable(given.items())])
    assert train.main() == 0
    model, history, first_batch = map(Path, places.values())
    assert load_model(model)[1].options["width"] == 4
    assert history.read_bytes().startswith(b"epoch,")
    assert first_batch.read_bytes().startswith(b"\x89PNG")


def test_a_stage_whose_results_were_not_recorded_goes_on_from_its_work(project: Path) -> None:
    """As when DVC was killed after the stage had ended: it then runs the stage again."""
    found: list[bool] = []

    def work(stage: Stage) -> None:
        found.append((stage.partial / "checkpoint").exists())
        (stage.partial / "checkpoint").touch()
        stage.writes.split.write_text("whole", encoding="utf-8")

    assert run(work) == 0
    (project / "data/split.csv").unlink()  # DVC does so before it runs a stage
    assert run(work) == 0
    assert found == [False, True]


def test_the_next_stage_removes_what_was_left_of_the_one_before(project: Path) -> None:
    before = project / ".partial/verify/0"
    before.mkdir(parents=True)
    (before / "done").touch()
    unfinished = project / ".partial/resize/0"
    unfinished.mkdir(parents=True)
    assert run(lambda stage: stage.writes.split.touch()) == 0
    assert not before.exists()
    assert unfinished.exists()


def test_an_interrupted_stage_finds_its_work_again(project: Path, capsys) -> None:
    found: list[bool] = []

    def work(stage: Stage) -> None:
        found.append((stage.partial / "half").exists())
        (stage.partial / "half").touch()
        stage.writes.split.write_text("whole" if found[-1] else "half", encoding="utf-8")
        if not found[-1]:
            raise KeyboardInterrupt

    assert run(work) == 130
    assert not (project / "data/split.csv").exists()
    assert "interrupted" in capsys.readouterr().err
    assert run(work) == 0
    assert found == [False, True]


@pytest.mark.parametrize("change", ["params", "input", "code"])
def test_work_of_other_params_inputs_or_code_is_not_taken_up(project: Path, change: str) -> None:
    code = project / "stages/split.py"
    code.parent.mkdir()
    code.write_text("one", encoding="utf-8")
    params = load_params(project / "params.yaml")
    before = stage_digest("split", params, [Path("index.csv")])
    assert before == stage_digest("split", params, [Path("index.csv")])
    if change == "params":
        other = params.split.model_copy(update={"seed": 5})
        params = params.model_copy(update={"split": other})
    elif change == "input":
        (project / "index.csv").write_text("b\n", encoding="utf-8")
    else:
        code.write_text("two", encoding="utf-8")
    assert stage_digest("split", params, [Path("index.csv")]) != before


def test_params_of_other_stages_leave_the_digest_alone(project: Path) -> None:
    params = load_params(project / "params.yaml")
    other = params.model_copy(update={"lr": 0.5})
    assert stage_digest("split", params, []) == stage_digest("split", other, [])


def test_the_digest_of_a_folder_sees_names_and_contents(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1", encoding="utf-8")
    first = content_digest(tmp_path)
    (tmp_path / "__pycache__").mkdir()
    (tmp_path / "__pycache__" / "x.pyc").write_text("1", encoding="utf-8")
    assert content_digest(tmp_path) == first
    (tmp_path / "a").rename(tmp_path / "b")
    second = content_digest(tmp_path)
    (tmp_path / "b").write_text("2", encoding="utf-8")
    assert len({first, second, content_digest(tmp_path)}) == 3


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("index.csv: column dx is missing"), "index.csv: column dx is missing"),
        (OSError(28, "No space left on device", "x.npy"), "No space left on device: x.npy"),
    ],
)
def test_bad_input_or_a_full_disk_is_one_line_and_leaves_the_earlier_output(
    project: Path, capsys, error: Exception, line: str
) -> None:
    (project / "data").mkdir()
    (project / "data/split.csv").write_text("earlier", encoding="utf-8")

    def work(stage: Stage) -> None:
        stage.writes.split.write_text("half", encoding="utf-8")
        raise error

    assert run(work) == 1
    assert capsys.readouterr().err == f"split: {line}\n"
    assert (project / "data/split.csv").read_text(encoding="utf-8") == "earlier"


def test_unfinished_work_that_somebody_removes_is_one_line(project: Path, capsys) -> None:
    def work(stage: Stage) -> None:
        shutil.rmtree(".partial")
        stage.writes.split.write_text("whole", encoding="utf-8")

    assert run(work) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("split: No such file or directory: .partial/split/")


def test_a_fault_of_the_code_keeps_its_traceback(project: Path) -> None:
    def work(stage: Stage) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(work)


def test_a_missing_input_says_what_makes_it(project: Path, capsys) -> None:
    (project / "index.csv").unlink()
    assert run(lambda stage: None) == 1
    assert "--index index.csv is not there" in capsys.readouterr().err


def test_two_runs_of_one_stage_do_not_mix(project: Path, capsys) -> None:
    place = project / ".partial/split"
    place.mkdir(parents=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert run(lambda stage: None) == 1
    assert "another run of this stage" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_move_between_file_systems_is_whole_and_leaves_nothing_beside(
    tmp_path: Path, kind: str
) -> None:
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs two file systems")
    with tempfile.TemporaryDirectory(dir=memory) as other:
        unfinished = Path(other) / "made"
        if kind == "folder":
            unfinished.mkdir()
            (unfinished / "a").write_text("1", encoding="utf-8")
        else:
            unfinished.write_text("1", encoding="utf-8")
        place = tmp_path / "out" / "place"
        move_into_place(unfinished, place)
        assert not unfinished.exists()
    assert [path.name for path in place.parent.iterdir()] == ["place"]
    assert (place / "a" if kind == "folder" else place).read_text(encoding="utf-8") == "1"
