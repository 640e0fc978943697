"""A full disk or a kill, at any moment of a command: each file is the old or the new one, whole."""

import json
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

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]

RUNNER = """
import json, os, resource, runpy, shutil, signal, sys
from pathlib import Path
count, kept, here, whole_run = int(sys.argv[1]), Path(sys.argv[2]), os.getcwd(), os.getpid()
del sys.argv[:3]
opened, moments = set(), []
FULL = 100  # bytes that still fit

def copy(name):
    return shutil.copytree(here, kept / name, ignore=shutil.ignore_patterns("runs"))

def strike(fault):
    reading, writing = os.pipe()
    if child := os.fork():
        os.close(writing)
        said = os.fdopen(reading).read()
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        (kept / f"{fault}.json").write_text(json.dumps([status, said]))
        return False
    os.dup2(writing, 2)
    os.close(writing)
    os.chdir(copy(fault))
    if fault == "half":  # the system ends the process in the middle of the write
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (FULL, FULL))
    return True

def hook(event, arguments):
    writes = event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR)
    if os.getpid() != whole_run or not (writes or event in ("os.rename", "os.remove")):
        return
    path = arguments[event == "os.rename"]
    if isinstance(path, int) or not os.path.realpath(path).startswith(here + os.sep):
        return
    moments.append(event)
    copy(f"moment {len(moments)}")
    if writes and os.path.realpath(path) not in opened:
        opened.add(os.path.realpath(path))
        if len(opened) == count:
            strike("full") or strike("half")

sys.addaudithook(hook)
try:
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
except SystemExit as end:
    if os.getpid() != whole_run:  # a fork lacks the threads that its exit may wait for
        sys.stderr.flush()
        os._exit(end.code)
    raise
"""
"""Runs a module that writes `count` files in the working directory, and keeps a copy of that from
before every step of writing: what a kill at that moment leaves. When the last file is opened, two
forks go on, each in a copy of its own, with a full disk and with a kill in the middle of a write.
"""


@dataclass(frozen=True)
class Case:
    """A command, run in the folder of `write_given` with results/ in it."""

    name: str
    words: str
    writes: list[str]
    """In this order."""


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
        "harmonic compare fold0 fold1 fold2 --resamples 100 --force "
        "--markdown out/a.md --plot out/a.svg",
        ["out/a.md", "out/a.svg"],
    ),
    Case(
        "pool",
        "harmonic pool fold0 fold1 fold2 --resamples 100 --force --output out",
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
    ),
    Case(
        "hair",
        "benchmarks.hair --count 1 --force --output out/a.md --sheet out/a.jpg",
        ["out/a.md", "out/a.jpg"],
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


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_file_is_the_old_or_the_new_one(given: Path, tmp_path: Path, case: Case) -> None:
    folder, kept = tmp_path / "folder", tmp_path / "kept"
    shutil.copytree(given, folder)
    kept.mkdir()
    for name in case.writes:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"old {name}\n" * 20)
    old = contents(folder)
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(len(case.writes)), kept, *case.words.split()],
        cwd=folder,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "OMP_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    new = contents(folder)
    assert set(new) == set(old)
    assert {name for name in old if new[name] != old[name]} == set(case.writes)
    moved = set()
    for place in filter(Path.is_dir, kept.iterdir()):
        found = contents(place)
        finished = {name for name in found if not Path(name).name.startswith(UNFINISHED)}
        changed = [name for name in case.writes if found[name] != old[name]]
        assert finished == {name for name in old if "runs/" not in name}, place
        assert changed == case.writes[: len(changed)], place
        assert all(found[name] == (new if name in changed else old)[name] for name in finished)
        moved.add(len(changed))
        assert place.name != "full" or finished == set(found)
    assert moved == set(range(len(case.writes) + 1))
    status, said = json.loads((kept / "full.json").read_text())
    assert status > 0
    assert "Traceback" not in said
    assert "cannot be written (File too large)" in said.splitlines()[-1]
    assert json.loads((kept / "half.json").read_text())[0] == -signal.SIGXFSZ
