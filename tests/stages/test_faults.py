"""What must not hurt: kills, two runs at once, Ctrl-C, a full disk, inputs that are read-only."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml.error import YAMLError

from reproduction.gate import damaged_cache
from tests.stages.clones import (
    DVC,
    SMALL,
    call,
    change_params,
    kill,
    lock,
    processes_in,
    start,
    tried,
    wait_until,
)

pytestmark = pytest.mark.slow
STAGES = ["verify", "remove_hair", "resize", "split"]
STAGES += ["find_lr", "train", "evaluate", "compress", "report"]
"""Those that have inputs; tests/stages/test_pipeline.py kills the download."""


def outs(folder: Path) -> dict[str, Any]:
    """What every stage made."""
    return {name: stage["outs"] for name, stage in lock(folder).items()}


def at_work(clone: Path, stage: str) -> Callable[[], bool]:
    """Whether a stage has begun; in remove_hair, whether the workers have written something."""
    sign = "*/hairless/*.jpg" if stage == "remove_hair" else "*/"
    return lambda: any((clone / ".partial" / stage).glob(sign))


def mend_lock(clone: Path) -> None:
    """DVC empties dvc.lock before it writes it; for a kill between the two, git has the file."""
    try:
        lock(clone)
    except (YAMLError, TypeError, KeyError):
        call(clone, "git", "checkout", "dvc.lock")


@pytest.fixture
def before(clone: Path) -> dict[str, Any]:
    # What an earlier test interrupted and DVC's run cache then made up for.
    shutil.rmtree(clone / ".partial", ignore_errors=True)
    if call(clone, "git", "status", "--porcelain") or not whole(clone):  # it failed half-way
        call(clone, "git", "checkout", "--quiet", "--", ".")
        call(clone, DVC, "repro")
    return outs(clone)


def whole(clone: Path) -> bool:
    return all((clone / out["path"]).exists() for made in outs(clone).values() for out in made)


def test_a_kill_at_a_random_moment_of_every_stage_leaves_no_trace(
    clone: Path, before: dict[str, Any]
) -> None:
    """Outputs are hard links into DVC's cache, where the disk has them: read-only, and shared."""
    call(clone, DVC, "config", "--local", "cache.type", "hardlink")
    call(clone, DVC, "checkout", "--relink")
    images = (clone / "data/images.npy").stat()
    assert images.st_nlink > 1
    assert not images.st_mode & 0o222
    moments = random.Random(0)
    for stage in reversed(STAGES):  # a killed stage has no outputs for those that follow
        process = start(clone, stage)
        wait_until(at_work(clone, stage), process)
        time.sleep(moments.uniform(0, 1.5))
        kill(clone, process)
        mend_lock(clone)
    call(clone, DVC, "repro", "--no-run-cache")
    assert outs(clone) == before
    assert list(damaged_cache(clone)) == []
    assert "Running stage" not in call(clone, DVC, "repro")


@pytest.mark.parametrize(
    ("stage", "launcher"),
    [
        ("remove_hair", "python"),
        ("train", "python"),
        ("train", "torchrun --standalone --nproc-per-node 2"),
    ],
)
def test_a_stage_ends_with_the_dvc_that_started_it(
    clone: Path, before: dict[str, Any], stage: str, launcher: str
) -> None:
    change_params(clone, train={"launcher": launcher})
    process = start(clone, stage)
    wait_until(at_work(clone, stage), process)
    change_params(clone, train={"launcher": "python"})
    process.kill()  # DVC alone
    process.wait()
    wait_until(lambda: not processes_in(clone))
    call(clone, DVC, "repro")
    assert outs(clone) == before


def test_a_killed_compress_leaves_nothing_but_its_unfinished_work(
    clone: Path, before: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    process = start(clone, "compress")
    variants = clone / ".partial" / "compress"
    wait_until(lambda: any(variants.glob("*/variants/ort.quant.*")), process)
    kill(clone, process)
    mend_lock(clone)
    assert not [path for path in tmp_path.rglob("*") if path.suffix == ".onnx"]
    call(clone, DVC, "repro")
    assert outs(clone) == before


@pytest.mark.parametrize("stage", ["remove_hair", "train"])
def test_ctrl_c_is_one_line_and_leaves_no_half_output(
    clone: Path, before: dict[str, Any], stage: str
) -> None:
    process = start(clone, stage)
    wait_until(at_work(clone, stage), process)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert f"{stage}: interrupted; the next run goes on from here" in errors
    assert "Traceback" not in errors
    for out in before[stage]:
        assert not (clone / out["path"]).exists()
    call(clone, DVC, "repro")
    assert outs(clone) == before


def test_of_two_runs_at_once_one_says_so(clone: Path, before: dict[str, Any]) -> None:
    change_params(clone, epochs=5000)  # the first is still at work when the second gives up
    first = start(clone, "train")
    wait_until(at_work(clone, "train"), first)
    second = start(clone, "train")
    _, errors = second.communicate(timeout=120)
    assert second.returncode != 0
    assert "Traceback" not in errors
    assert "is busy" in errors or "another run of this stage" in errors, errors
    assert first.poll() is None
    os.killpg(first.pid, signal.SIGINT)
    first.communicate(timeout=120)
    change_params(clone, epochs=SMALL["epochs"])
    call(clone, DVC, "repro")
    assert outs(clone) == before


@pytest.mark.parametrize("stage", ["remove_hair", "resize", "train"])
def test_a_full_disk_is_one_line_and_leaves_no_output(
    clone: Path, before: dict[str, Any], stage: str, tmp_path: Path
) -> None:
    """Unfinished work on a file system of 64 kB, in a mount namespace of its own."""
    setup = 'mount -t tmpfs -o size=64k none .partial && exec "$@"'
    prefix = ["unshare", "--map-root-user", "--mount", "sh", "-c", setup, "sh"]
    if subprocess.run([*prefix, "true"], cwd=clone, capture_output=True, check=False).returncode:
        pytest.skip("needs user namespaces (unshare --map-root-user)")
    places = {
        "remove_hair": "--raw data/raw --index data/index.csv --hairless OUT/hairless",
        "resize": "--hairless data/hairless --index data/index.csv --images OUT/images.npy",
        "train": "--images data/images.npy --split data/split.csv --model OUT/m --history OUT/h "
        "--first-batch OUT/b.png",
    }
    words = places[stage].replace("OUT", str(tmp_path)).split()
    done = tried(clone, *prefix, sys.executable, "-m", f"stages.{stage}", *words)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"{stage}: ")
    assert "No space left on device" in done.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
