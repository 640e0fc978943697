"""A clone with small parameters, and how a person works in it: `dvc` on the command line."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DVC = Path(sys.executable).parent / "dvc"
SMALL = {
    "epochs": 2,
    "image_size": 28,
    "download": {"images": 200},
    "find_lr": {"steps": 20},
    "train": {"width": 4},
    "evaluate": {"views": 1, "resamples": 100},
    "compress": {"calibration_images": 32, "resamples": 100},
}


def environment() -> dict[str, str]:
    """Stages find this interpreter first; one thread is fastest for such small networks."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    who = {"NAME": "Somebody", "EMAIL": "somebody@example.org"}
    identity = {
        f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in who.items()
    }
    settings = {"PATH": path, "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    return os.environ | identity | settings


def call(folder: Path, *words: str | Path) -> str:
    done = subprocess.run(
        words, cwd=folder, capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def change_params(folder: Path, **changes: Any) -> None:
    yaml = YAML()
    path = folder / "params.yaml"
    params = yaml.load(path)
    for key, value in changes.items():
        if isinstance(value, dict):
            params[key].update(value)
        else:
            params[key] = value
    yaml.dump(params, path)


def small_clone(folder: Path) -> Path:
    """A clone of this working tree with small parameters, committed."""
    call(ROOT, "git", "clone", "--quiet", ROOT, folder)
    # What is not committed yet is part of what is tested.
    listed = call(ROOT, "git", "ls-files", "-z", "-m", "-o", "--exclude-standard").split("\0")
    for name in filter(None, listed):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    change_params(folder, **SMALL)
    call(folder, "git", "add", "--all")
    call(folder, "git", "commit", "--quiet", "--message", "small")
    return folder


def finished(base: Path) -> Path:
    """A small clone in which the pipeline ran, committed with its record; made once under `base`.

    It is for all tests: work in a copy. Beside it, `printed` is what the run said.
    """
    folder = base / "made by a person" / "clone"
    if not folder.exists():
        small_clone(folder)
        printed = call(folder, DVC, "repro")
        (folder.parent / "printed").write_text(printed, encoding="utf-8")
        call(folder, sys.executable, "-m", "reproduction", "record")
        call(folder, "git", "add", "--all")
        call(folder, "git", "commit", "--quiet", "--message", "made")
    return folder


def copied(made: Path, folder: Path) -> Path:
    """A copy with data, cache and all, to change as one likes."""
    return Path(shutil.copytree(made, folder, symlinks=True))


def lock(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(folder / "dvc.lock")["stages"]
    return found


def processes_in(folder: Path) -> list[str]:
    """Command lines of the processes whose working directory is `folder`."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if (place / "cwd").readlink() == folder.resolve():
                found.append((place / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


def tried(folder: Path, *words: str | Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """A command that may fail, but never with a traceback."""
    done = subprocess.run(
        words, cwd=folder, env=environment() | extra, capture_output=True, text=True, check=False
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def start(clone: Path, stage: str) -> subprocess.Popen[str]:
    """`dvc repro STAGE`, forced, as the leader of a process group of its own."""
    return subprocess.Popen(
        [DVC, "repro", "--single-item", "--force", "--no-run-cache", stage],
        cwd=clone, env=environment(), start_new_session=True, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=heed_ctrl_c,
    )  # fmt: skip


def heed_ctrl_c() -> None:
    """What a terminal's shell does; a job in the background starts with Ctrl-C ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 120
    while not ready():
        assert time.monotonic() < deadline
        assert process is None or process.poll() is None, "ended too early"
        time.sleep(0.02)


def kill(clone: Path, process: subprocess.Popen[str]) -> None:
    """The whole process group; a stage that outlives its DVC ends after the step it is in."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    wait_until(lambda: not processes_in(clone))
