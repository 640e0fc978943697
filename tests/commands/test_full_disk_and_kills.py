"""A full disk or a kill, at any moment of a command: each file is the old or the new one, whole."""

import os
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from harmonic.files import UNFINISHED
from tests.commands.given import contents, write_given

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
ROOT = Path(__file__).parents[2]

RUNNER = """
import os, resource, runpy, signal, sys
fault, number, out = sys.argv[1], int(sys.argv[2]), os.path.realpath(sys.argv[3])
del sys.argv[:4]
opened, moves = [], []
FULL = 100  # bytes that still fit

def inside(path):
    return isinstance(path, (str, bytes, os.PathLike)) and os.path.realpath(path).startswith(out)

def hook(event, arguments):
    if event == "open" and inside(arguments[0]) and arguments[2] & (os.O_WRONLY | os.O_RDWR):
        name = os.path.realpath(arguments[0])
        if name not in opened:
            opened.append(name)
        if len(opened) == number and fault in ("full", "half"):
            if fault == "half":  # the system ends the process in the middle of the write
                signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
            resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL))
    if event == "os.rename" and inside(arguments[1]):
        moves.append(1)
        if fault == "before the move" and len(moves) == number:
            os.kill(os.getpid(), signal.SIGKILL)
    if event == "os.remove" and fault == "after the move" and len(moves) == number:
        os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(hook)
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
"""
"""Runs a module with a fault at the file of this number among those it writes below a folder."""


@dataclass(frozen=True)
class Case:
    """A command, run in the folder of `write_given` with results/ in it."""

    name: str
    words: str
    writes: list[str]
    """In this order."""
    timed: bool = False
    """Whether they hold times, and so are never the same again."""


CASES = [
    Case(
        "predict",
        "harmonic predict model.safetensors photos --explain out --force",
        ["out/a-explained.png", "out/a-explained-2.png", "out/a-explained-3.png"],
    ),
    Case("onnx", "harmonic export model.safetensors --force -o out/a.onnx", ["out/a.onnx"]),
    Case(
        "storage",
        "harmonic export model.safetensors --storage bfloat16 --force -o out/a.safetensors",
        ["out/a.safetensors"],
    ),
    Case(
        "compare",
        "harmonic compare fold0 fold1 fold2 --resamples 20 --force "
        "--markdown out/a.md --plot out/a.svg",
        ["out/a.md", "out/a.svg"],
    ),
    Case(
        "pool",
        "harmonic pool fold0 fold1 fold2 --resamples 20 --force --output out",
        [
            f"out/{name}"
            for name in (
                *("predictions.csv", "predictions_natural.csv", "per_class.csv"),
                *("data/split.csv", "intervals.json", "figures.json", "metrics.json"),
            )
        ],
    ),
    Case(
        "bench",
        "harmonic bench --rounds 1 --threads 1 --force --output out/a.md",
        ["out/a.md"],
        timed=True,
    ),
    Case(
        "hair",
        "benchmarks.hair --count 1 --force --output out/a.md --sheet out/a.jpg",
        ["out/a.md", "out/a.jpg"],
        timed=True,
    ),
    Case("pages", "studies pages search.md", ["results/search.md"]),
    Case(
        "plots",
        "studies pages small_data.md",
        ["results/small_data.md", "results/small_data-small.svg"],
    ),
]


@pytest.fixture(scope="session")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    write_given(folder)
    for study in ("search", "small-data-small", "small-data-small-search"):
        shutil.copytree(ROOT / "results/runs" / study, folder / "results/runs" / study)
    return folder


def run(folder: Path, case: Case, fault: str, number: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", RUNNER, fault, str(number), ".", *case.words.split()],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_file_is_the_old_or_the_new_one(given: Path, tmp_path: Path, case: Case) -> None:
    folder = tmp_path / "folder"
    shutil.copytree(given, folder)
    for name in case.writes:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"old {name}\n" * 20)
    old = contents(folder)
    done = run(folder, case, "none", 0)
    assert done.returncode == 0, done.stderr
    new = contents(folder)
    assert set(new) == set(old)
    assert {name for name in old if new[name] != old[name]} == set(case.writes)
    count = len(case.writes)
    faults = [
        ("full", count), ("before the move", count), ("half", count), ("after the move", 1),
    ]  # fmt: skip
    for fault, number in faults[:2] if case.timed else faults:  # what is measured takes long
        for name in case.writes:
            (folder / name).write_bytes(old[name])
        done = run(folder, case, fault, number)
        after = contents(folder)
        what = f"{fault} {number}: {done.stderr}"
        unfinished = {name for name in after if Path(name).name.startswith(UNFINISHED)}
        changed = {name for name in old if after[name] != old[name]}
        assert set(after) == set(old) | unfinished, what
        assert changed <= set(case.writes[: number if fault == "after the move" else number - 1])
        if not case.timed:
            assert all(after[name] == new[name] for name in changed), what
        if fault == "full":
            assert done.returncode > 0, what
            assert "Traceback" not in done.stderr
            assert "cannot be written (File too large)" in done.stderr.splitlines()[-1]
            assert not unfinished
        else:
            sign = signal.SIGXFSZ if fault == "half" else signal.SIGKILL
            assert done.returncode == -sign, what
        for name in unfinished:
            (folder / name).unlink()
