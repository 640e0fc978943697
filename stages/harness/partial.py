"""Where a stage does its unfinished work, so that an interrupted one goes on where it stopped.

DVC removes a stage's outputs before it runs the stage, and an output that it may not remove
(`persist`) would lose the run cache. So a stage works in `.partial/<stage>/<digest>/`, which git
and DVC ignore, and its results are moved into place when they are whole. The digest covers all that
the stage depends on, so the work of other parameters, data or code is never taken up again.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from harmonic.errors import InputError
from stages.harness.params import Params
from stages.harness.pipeline import dependencies, read_pipeline
from stages.harness.recorded import content_digest

PARTIAL = Path(".partial")
DONE = "done"


def stage_digest(stage: str, params: Params, inputs: Iterable[Path]) -> str:
    """16 hex digits over what the stage depends on: the values of its params and the contents of
    its deps in dvc.yaml, code included, and of `inputs`, the paths of the command line."""
    definition = read_pipeline()[stage]
    values = {key: params.value_of(key) for key in definition.get("params", [])}
    paths = dependencies(definition, params.archive) | {str(path) for path in inputs}
    contents = {path: content_digest(Path(path)) for path in paths}
    record = json.dumps([stage, values, contents], sort_keys=True)
    return hashlib.sha256(record.encode()).hexdigest()[:16]


@contextmanager
def claimed(folder: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a folder until this process ends; False where another does, unless `wait` for it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock", timeout=-1 if wait else 0)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


@contextmanager
def locked(stage: str) -> Iterator[Path]:
    """Hold the folder of a stage's unfinished work; InputError where another process holds it."""
    folder = PARTIAL / stage
    with claimed(folder) as mine:
        if not mine:
            raise InputError(
                f"another run of this stage is at work in {folder.resolve()}; wait for it"
            )
        yield folder


def move_into_place(unfinished: Path, place: Path) -> None:
    """Move a whole file or folder to its place, in place of what was there."""
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


def mark_done(partial: Path) -> None:
    """Say that the stage's results are in their places.

    What is left of the work stays until the next stage begins: when DVC is killed before it has
    recorded the results, it runs the stage again, which then goes on from here.
    """
    (partial / DONE).touch()


def clear_done(partial: Path) -> None:
    """Remove all work that is marked as done, but that in the folder `partial`, which goes on."""
    (partial / DONE).unlink(missing_ok=True)
    for done in PARTIAL.glob(f"*/*/{DONE}"):
        shutil.rmtree(done.parent, ignore_errors=True)
