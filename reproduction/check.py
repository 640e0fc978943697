"""`make reproduce`: run the committed pipeline from nothing and compare with its record.

Nothing is restored: a clone of HEAD, a cache of its own, every stage run.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from harmonic.errors import InputError
from reproduction.compare import (
    changed,
    compare,
    explanation,
    first_parting,
    metrics_apart,
    needed_for,
    read_tolerances,
    table,
)
from reproduction.environment import RECORD, describe, differences
from stages.harness.exact import is_exact
from stages.harness.params import load_params
from stages.harness.pipeline import LOCK, parse_lock

METRICS = "reports/metrics.json"


def check(root: Path, last: str | None = None) -> int:
    """Print a table, up to a stage; 0 where all is as recorded, else 1, and the clone is kept."""
    if run(["git", "status", "--porcelain", "--untracked-files=no"], root):
        print("reproduce: files here differ from the last commit; the commit is what is checked")
    if last is not None and last not in parse_lock(committed(root, LOCK)):
        raise InputError(f"{last} is no stage of dvc.lock")
    place = Path(tempfile.mkdtemp(prefix="reproduction-"))
    clone = place / "clone"
    clone_head(root, clone)
    if status := run_pipeline(clone, last):
        print(f"reproduce: dvc repro ended with status {status}")
    if judge(root, clone, last) and status == 0:
        shutil.rmtree(place)
        return 0
    print(f"reproduce: the clone is kept in {clone}")
    return 1


def judge(root: Path, clone: Path, last: str | None = None) -> bool:
    """Compare what was made in `clone` with what HEAD of `root` records; print what was found."""
    then, now = parse_lock(committed(root, LOCK)), parse_lock(text_in(clone, LOCK))
    if last is not None:
        then = needed_for(then, last)
    recorded, made = (
        json.loads(text) for text in (committed(root, METRICS), text_in(clone, METRICS))
    )
    exact = is_exact(load_params(clone / "params.yaml"))
    apart = [] if exact else metrics_apart(recorded, made)
    within = bool(apart) and all(metric.within() for metric in apart)
    verdicts = compare(then, now, tolerated=read_tolerances()["stages"] if within else ())
    print(f"\n{table(verdicts)}", *(f"  {metric}" for metric in apart), sep="\n")
    # DVC keeps no copy of the metrics, so git may have others than dvc.lock records.
    untrue = changed(recorded, made) if exact and "evaluate" in then else []
    for name in untrue:
        was, figure = recorded.get(name, "is not there"), made.get(name, "none")
        print(f"reproduce: {METRICS} says {name} {was}; made was {figure}")
    parting = first_parting(verdicts)
    if parting is not None:
        print(f"reproduce: the first stage that parts is {parting.stage} ({parting.status}):")
        environment = differences(json.loads(committed(root, RECORD)), describe(clone))
        print(*(f"  {line}" for line in explanation(parting, environment)), sep="\n")
    elif not untrue:
        mode = "to the byte" if exact else "data to the byte, metrics within tolerance"
        print(f"reproduce: the commit makes what dvc.lock says: {mode}")
    return parting is None and not untrue


def text_in(clone: Path, path: str | Path) -> str:
    """The text of a file that a stage may have written; "{}" where it did not."""
    place = clone / path
    return place.read_text(encoding="utf-8") if place.is_file() else "{}"


def committed(root: Path, path: str | Path) -> str:
    """The text of a file in HEAD. Raises InputError where it is not there."""
    return run(["git", "show", f"HEAD:{path}"], root)


def clone_head(root: Path, folder: Path) -> None:
    """Clone the last commit of `root` into `folder`, with a DVC cache that nobody shares."""
    quiet = ["git", "-c", "advice.detachedHead=false"]
    run([*quiet, "clone", "--quiet", "--no-hardlinks", str(root), str(folder)], root)
    run([*quiet, "checkout", "--quiet", run(["git", "rev-parse", "HEAD"], root).strip()], folder)
    # A user's own configuration may share a cache between projects.
    local = folder / ".dvc/config.local"
    local.write_text("[cache]\n    dir = cache\n", encoding="utf-8")


def run_pipeline(folder: Path, last: str | None = None) -> int:
    """Run every stage, or those up to `last`, restoring nothing; the exit status of `dvc repro`."""
    (folder / LOCK).unlink()  # so that it will hold the stages that ran and no other
    command = [sys.executable, "-m", "dvc", "repro", "--force", "--no-run-cache"]
    command += [last] if last else []
    # DVC keeps a database of files per user; a home that cannot be written must not matter.
    surroundings = dvc_environment() | {"DVC_SITE_CACHE_DIR": str(folder.parent / "dvc-site")}
    return subprocess.run(command, cwd=folder, env=surroundings, check=False).returncode


def dvc_environment() -> dict[str, str]:
    """This process's environment, without what DVC says to stages, and this interpreter first."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DVC_")}
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    return kept | {"PATH": path, "DVC_NO_ANALYTICS": "1"}


def run(command: list[str], folder: Path, **options: Any) -> str:
    """What a command prints. Raises InputError with its error where it fails."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, **options
    )
    if done.returncode:
        raise InputError(f"{' '.join(command)}: {' '.join(done.stderr.split())}")
    return done.stdout
