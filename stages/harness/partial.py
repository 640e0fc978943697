"""Where a stage does its unfinished work, so that an interrupted one goes on where it stopped.

DVC removes a stage's outputs before it runs the stage, and an output that it may not remove
(`persist`) would lose the run cache. So a stage works in `.partial/<stage>/<digest>/`, which git
and DVC ignore, and its results are moved into place when they are whole. The digest covers all that
the stage depends on, so the work of other parameters, data or code is never taken up again.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from harmonic.errors import InputError
from stages.harness.params import Params

PARTIAL = Path(".partial")


def stage_digest(stage: str, params: Params, inputs: Iterable[Path]) -> str:
    """16 hex digits over what the stage depends on.

    That is what dvc.yaml lists for it (the values of its params, the contents of its deps, code
    included) and the contents of `inputs`, the paths given on the command line.
    """
    values = {key: params.value_of(key) for key in definition(stage).get("params", [])}
    deps = listed_deps(stage, params)
    contents = {path: content_digest(Path(path)) for path in deps | {str(path) for path in inputs}}
    record = json.dumps([stage, values, contents], sort_keys=True)
    return hashlib.sha256(record.encode()).hexdigest()[:16]


def definition(stage: str) -> dict[str, Any]:
    """What dvc.yaml says about a stage. Raises InputError outside the top folder."""
    pipeline = Path("dvc.yaml")
    if not pipeline.is_file():
        raise InputError("dvc.yaml is not there: run this from the top folder of the project")
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(pipeline)["stages"][stage]
    return found


def listed_deps(stage: str, params: Params) -> set[str]:
    """The paths that dvc.yaml lists as dependencies of a stage."""
    deps = definition(stage).get("deps", [])
    return {str(dep).replace("${archive}", params.archive) for dep in deps}


def listed_outs(stage: str) -> set[str]:
    """The paths that dvc.yaml lists as outputs of a stage, metrics included."""
    listed = [*definition(stage).get("outs", []), *definition(stage).get("metrics", [])]
    return {out if isinstance(out, str) else next(iter(out)) for out in listed}


def content_digest(path: Path) -> str:
    """SHA-256 of a file, or of names and digests of all files of a folder; "absent" for neither.

    Compiled bytecode is passed over, as DVC passes over it (.dvcignore).
    """
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if not path.is_dir():
        return "absent"
    whole = hashlib.sha256()
    for file_path in sorted(path.rglob("*")):
        if file_path.is_file() and "__pycache__" not in file_path.parts:
            name = os.fsencode(file_path.relative_to(path))
            whole.update(name + b"\0" + content_digest(file_path).encode() + b"\n")
    return whole.hexdigest()


@contextmanager
def locked(stage: str) -> Iterator[None]:
    """Hold the stage's place alone, so that two runs never write into the same unfinished work.

    Raises InputError where another process holds it. The lock goes with the process, however it
    ends.
    """
    folder = PARTIAL / stage
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f"another run of this stage is at work in {folder.resolve()}; wait for it"
            ) from None
        yield


def move_into_place(unfinished: Path, place: Path) -> None:
    """Move a whole file or folder to its place; what was there before goes first.

    Raises InputError where a folder stands in the place of a file.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_dir():
        if not unfinished.is_dir():
            raise InputError(f"{place} is a folder; a file belongs there")
        shutil.rmtree(place)
    if unfinished.stat().st_dev != place.parent.stat().st_dev:
        # Between file systems a move is a copy, which can stop half-way.
        beside = place.with_name(f".{place.name}.unfinished")
        shutil.rmtree(beside) if beside.is_dir() else beside.unlink(missing_ok=True)
        unfinished = Path(shutil.move(unfinished, beside))
    unfinished.replace(place)


def write_json(path: Path, content: Any) -> None:
    """Write readable JSON whose bytes depend on the content alone."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
