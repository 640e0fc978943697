"""No value of params.yaml reaches a shell: what would be a command there is a path or a mistake."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harmonic.errors import InputError
from stages.harness.params import load_params
from tests.stages.clones import DVC, ROOT, change_params, lock, tried


def with_launcher(folder: Path, launcher: str) -> str:
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())
    change_params(folder, train={"launcher": launcher})
    return load_params(folder / "params.yaml").train.launcher


@pytest.mark.parametrize(
    "launcher",
    [
        "python",
        "torchrun --standalone --nproc-per-node 2",
        "torchrun --standalone --nproc_per_node=gpu",
        "torchrun --nnodes=2 --node-rank 1 --master-addr 10.0.0.1 --master-port 29500",
        "torchrun --nnodes 1:4 --rdzv-backend c10d --rdzv-endpoint [::1]:29400 --rdzv-id x-1",
    ],
)
def test_launchers_that_are_allowed(tmp_path: Path, launcher: str) -> None:
    assert with_launcher(tmp_path, launcher) == launcher


@pytest.mark.parametrize(
    "launcher",
    [
        "touch x; false; python",
        "touch x",
        "$(touch x)",
        "python -c pass",
        "torchrun --no-python touch",
        "torchrun --nproc-per-node 2 script.py",
        "torchrun --nproc-per-node --no-python",
        "torchrun --standalone\npython",
        "",
    ],
)
def test_launchers_that_are_no_launchers(tmp_path: Path, launcher: str) -> None:
    with pytest.raises(InputError, match=re.escape("train.launcher is ")):
        with_launcher(tmp_path, launcher)


@pytest.mark.slow
def test_a_launcher_that_is_a_command_is_one_line_and_runs_nothing(clone: Path) -> None:
    change_params(clone, train={"launcher": "touch x; false; python"})
    done = tried(clone, DVC, "repro")
    change_params(clone, train={"launcher": "python"})
    assert done.returncode != 0
    assert not (clone / "x").exists()
    (line,) = [line for line in done.stderr.splitlines() if "train.launcher is" in line]
    assert "train.launcher is 'touch x; false; python'; it must be python, or torchrun" in line


@pytest.mark.slow
@pytest.mark.parametrize("name", ["$(touch x)", "`touch x`", '"; touch x; "', "${seed}"])
def test_an_archive_may_be_named_like_a_command(clone: Path, name: str) -> None:
    (clone / name).mkdir()
    change_params(clone, source="archive", archive=name)
    done = tried(clone, DVC, "repro", "download")
    change_params(clone, source="sample", archive="data/no-archive")
    (clone / name).rmdir()
    assert done.returncode != 0
    assert not (clone / "x").exists()
    assert f"download: archive {name}: has no HAM10000_metadata.csv" in done.stderr


@pytest.mark.parametrize(
    ("name", "words", "told"),
    [
        ("torchrun", ["--standalone"], True),
        ("dvc", ["-S", "train.launcher=torchrun --standalone --nproc-per-node 2"], False),
        ("run_torchrun.py", [], False),
    ],
)
def test_only_torchrun_itself_is_taken_for_it(
    name: str, words: list[str], told: bool, tmp_path: Path
) -> None:
    asks = "from stages.harness.start import started_by_torchrun as by; print(by())"
    script = tmp_path / name
    script.write_text(f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {asks!r}])")
    command = [sys.executable, str(script), *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == f"{told}\n"


@pytest.mark.slow
def test_torchrun_trains_as_python_does(clone: Path) -> None:
    """Two processes, started by the stage that DVC started: the whole stage, with its outputs."""
    change_params(clone, train={"launcher": "torchrun --standalone --nproc-per-node 2"})
    done = tried(clone, DVC, "repro", "train")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("of 2 chosen, balanced accuracy on validation") == 1
    assert len(lock(clone)["train"]["outs"]) == 3
    assert '"processes": 2' in (clone / "logs/train.json").read_text(encoding="utf-8")
