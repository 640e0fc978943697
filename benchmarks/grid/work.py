"""One run: the pipeline's own stages, in a folder of its own, without DVC.

The commands are those of dvc.yaml, to the letter. What all arms share (images, split) is made once
for each set of parameters that it depends on:

    images-<digest>/   download, verify, remove_hair, resize
    split-<digest>/    split
    <preset>/<data>/<arm>-seed<n>/   train, evaluate
"""

import fcntl
import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from harmonic.errors import InputError
from stages.harness.params import checked_params
from stages.harness.partial import content_digest

REPOSITORY = Path(__file__).resolve().parents[2]
IMAGE_STAGES = ("download", "verify", "remove_hair", "resize")
SPLIT_STAGES = ("split",)

Params = dict[str, Any]


def overridden(overrides: dict[str, Any]) -> Params:
    """The tree of params.yaml with values changed by dotted key.

    Raises InputError for a key that params.yaml does not have, or a value it does not allow.
    """
    params: Params = YAML(typ="safe", pure=True).load(REPOSITORY / "params.yaml")
    for key, value in overrides.items():
        *sections, last = key.split(".")
        place = params
        for section in sections:
            place = place.get(section, {})
        if last not in place:
            raise InputError(f"{key} is no key of params.yaml")
        place[last] = value
    checked_params(params, "grid")
    return params


def value_of(params: Params, key: str) -> Any:
    value: Any = params
    for part in key.split("."):
        value = value[part]
    return value


def pipeline() -> dict[str, Any]:
    stages: dict[str, Any] = YAML(typ="safe", pure=True).load(REPOSITORY / "dvc.yaml")["stages"]
    return stages


def digest_of(params: Params, stages: Sequence[str]) -> str:
    """12 hex digits over all that dvc.yaml lists for these stages: parameters, code, archive."""
    listed = [pipeline()[stage] for stage in stages]
    keys = sorted({key for stage in listed for key in stage.get("params", [])})
    code = sorted({dep for stage in listed for dep in stage["deps"] if in_repository(dep)})
    record = {
        "params": [[key, value_of(params, key)] for key in keys],
        "code": [[dep, content_digest(REPOSITORY / dep)] for dep in code],
        "archive": content_digest(Path(params["archive"])),
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:12]


def in_repository(dep: str) -> bool:
    return dep.startswith(("harmonic/", "stages/"))


def run_stages(folder: Path, params: Params, stages: Iterable[str]) -> None:
    """Run stages in a folder that is laid out like the repository; what is whole is not run again.

    Raises InputError with the stage's own last line where one fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("harmonic", "stages", "dvc.yaml"):
        link(folder / name, REPOSITORY / name)
    with (folder / "params.yaml").open("w") as file:
        YAML(typ="safe", pure=True).dump(params, file)
    for stage in stages:
        begun, dependencies = folder / f"begun-{stage}", dependencies_of(folder, params, stage)
        if begun.is_file() and begun.read_text() == dependencies:
            if is_whole(folder, stage):
                continue
        else:  # an older log would be taken for the end of what begins now
            (folder / "logs" / f"{stage}.json").unlink(missing_ok=True)
            begun.write_text(dependencies)
        program, *arguments = shlex.split(pipeline()[stage]["cmd"])
        program = sys.executable if program == "python" else program
        done = subprocess.run(
            [program, *arguments],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | {"DVC_STAGE": stage},  # so a stage ends with whoever started it
        )
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise InputError(f"{' '.join(last) or stage} (in {folder}, status {done.returncode})")


def dependencies_of(folder: Path, params: Params, stage: str) -> str:
    """Hexadecimal digest of all that dvc.yaml lists for a stage: parameters, code, its inputs."""
    values = [[key, value_of(params, key)] for key in pipeline()[stage].get("params", [])]
    paths = [str(dep).replace("${archive}", params["archive"]) for dep in pipeline()[stage]["deps"]]
    contents = [[path, content_digest(folder / path)] for path in paths]
    record = json.dumps([values, contents], sort_keys=True)
    return hashlib.sha256(record.encode()).hexdigest()


def is_whole(folder: Path, stage: str) -> bool:
    """Whether a stage begun here came to its end: its log is what it writes last."""
    try:
        json.loads((folder / "logs" / f"{stage}.json").read_text())
    except (OSError, ValueError):  # killed before it, or while it was written
        return False
    listed = pipeline()[stage]
    outs = [*listed.get("outs", []), *listed.get("metrics", [])]
    return all(
        (folder / (out if isinstance(out, str) else next(iter(out)))).exists() for out in outs
    )


def prepared_data(work: Path, params: Params) -> Path:
    """The folder that holds `data/images.npy` and `data/split.csv` for these parameters."""
    images = work / f"images-{digest_of(params, IMAGE_STAGES)}"
    split = work / f"split-{digest_of(params, (*IMAGE_STAGES, *SPLIT_STAGES))}"
    with held(images):
        if not (images / "data/images.npy").exists():
            run_stages(images, params, IMAGE_STAGES)
    with held(split):
        if not (split / "data/split.csv").exists():
            link(split / "data/index.csv", images / "data/index.csv")
            link(split / "data/images.npy", images / "data/images.npy")
            run_stages(split, params, SPLIT_STAGES)
    return split


def data_digest(data: Path) -> str:
    """12 hex digits over the contents of images.npy and split.csv."""
    whole = hashlib.sha256()
    for name in ("images.npy", "split.csv"):
        with (data / "data" / name).open("rb") as file:
            whole.update(hashlib.file_digest(file, "sha256").digest())
    return whole.hexdigest()[:12]


def train_and_evaluate(folder: Path, data: Path, params: Params, *, evaluated: bool) -> None:
    """Fill a run's folder; a killed run goes on from its last epoch."""
    folder.mkdir(parents=True, exist_ok=True)
    link(folder / "data", data / "data")
    run_stages(folder, params, ("train", "evaluate") if evaluated else ("train",))


def link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() and place.readlink() != target.resolve():
        place.unlink()  # of another clone, whose code is another
    if not place.is_symlink():
        place.symlink_to(target.resolve())


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Wait until no other process prepares this folder, then hold it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Whether this process got the run; False where another one is at it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
