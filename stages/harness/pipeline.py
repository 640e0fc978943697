"""dvc.yaml, what is to be run, and dvc.lock, what was; both are YAML 1.2, as DVC reads it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harmonic.errors import InputError
from harmonic.reading import content_of, yaml_in

LOCK = Path("dvc.lock")
Definition = dict[str, Any]
"""What dvc.yaml says about a stage."""


@dataclass(frozen=True)
class Recorded:
    """One stage of a dvc.lock."""

    command: str
    deps: dict[str, str]
    """Digest of each dependency, by path."""
    params: dict[str, Any]
    """Value of each parameter, by its key in params.yaml."""
    outs: dict[str, str]
    """Digest of each output, by path."""


def parse_lock(text: str) -> dict[str, Recorded]:
    """The stages of a dvc.lock, by name, in its order. Raises InputError for another file."""
    tree = yaml_in(text.encode(), LOCK.name) or {}
    try:
        return {
            name: Recorded(
                command=stage["cmd"],
                deps={entry["path"]: entry["md5"] for entry in stage.get("deps", [])},
                params=stage.get("params", {}).get("params.yaml", {}),
                outs={entry["path"]: entry["md5"] for entry in stage.get("outs", [])},
            )
            for name, stage in tree.get("stages", {}).items()
        }
    except (AttributeError, KeyError, TypeError):
        raise InputError(f"{LOCK} is none of DVC's; `git checkout {LOCK}` brings it back") from None


def read_lock() -> dict[str, Recorded]:
    """The stages of the working directory's dvc.lock; none where it is not there."""
    return parse_lock(LOCK.read_text(encoding="utf-8")) if LOCK.is_file() else {}


def read_pipeline(root: Path = Path()) -> dict[str, Definition]:
    """The stages of dvc.yaml, by name, in its order. Raises InputError outside the top folder."""
    pipeline = root / "dvc.yaml"
    if not pipeline.is_file():
        raise InputError("dvc.yaml is not there: run this from the top folder of the project")
    found: dict[str, Definition] = yaml_in(content_of(pipeline), str(pipeline))["stages"]
    return found


def dependencies(stage: Definition, archive: str) -> set[str]:
    """The paths that a stage depends on; `archive` is that of params.yaml."""
    return {str(dep).replace("${archive}", archive) for dep in stage.get("deps", [])}


def outputs(stage: Definition) -> list[str]:
    """The paths that a stage writes, metrics included."""
    listed = [*stage.get("outs", []), *stage.get("metrics", [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in listed]
