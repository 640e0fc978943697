"""The committed pipeline from nothing: a clone of HEAD, a cache of its own, every stage run."""

import json
import os
import subprocess
import sys
from pathlib import Path

from harmonic.errors import InputError


def clone_head(root: Path, folder: Path) -> None:
    """Clone the last commit of `root` into `folder`, with a DVC cache that nobody shares."""
    quiet = ["git", "-c", "advice.detachedHead=false"]
    run([*quiet, "clone", "--quiet", "--no-hardlinks", str(root), str(folder)], root)
    head = run(["git", "rev-parse", "HEAD"], root).strip()
    run([*quiet, "checkout", "--quiet", head], folder)
    # A user's own configuration may share a cache between projects.
    local = folder / ".dvc/config.local"
    local.write_text("[cache]\n    dir = cache\n", encoding="utf-8")


def run_pipeline(folder: Path, last: str | None = None) -> int:
    """Run every stage, or those up to `last`, restoring nothing; the exit status of `dvc repro`.

    The record is removed first, so that afterwards it holds the stages that ran and no other.
    """
    (folder / "dvc.lock").unlink()
    command = [
        sys.executable,
        "-m",
        "dvc",
        "repro",
        "--force",
        "--no-run-cache",
        *([last] if last else []),
    ]
    # DVC keeps a database of files per user; a home that cannot be written must not matter.
    surroundings = environment() | {"DVC_SITE_CACHE_DIR": str(folder.parent / "dvc-site")}
    return subprocess.run(command, cwd=folder, env=surroundings, check=False).returncode


def environment() -> dict[str, str]:
    """This process's environment, without what DVC says to stages, and this interpreter first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return kept | {"PATH": path, "DVC_NO_ANALYTICS": "1"}


def unlisted_reads(folder: Path, stage: str) -> list[str]:
    """Files of the project that a stage read though dvc.yaml does not list them, from its log."""
    log = folder / "logs" / f"{stage}.json"
    if not log.is_file():
        return []
    found: list[str] = json.loads(log.read_text(encoding="utf-8")).get("unlisted_reads", [])
    return found


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise InputError(f"{' '.join(command)}: {' '.join(done.stderr.split())}")
    return done.stdout
