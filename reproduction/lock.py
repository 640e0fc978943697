"""dvc.lock as a table: what each stage was made from, and what it made."""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from harmonic.errors import InputError

LOCK = "dvc.lock"


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
    """The stages of a dvc.lock, by name, in its order."""
    tree = YAML(typ="safe", pure=True).load(text) or {}
    return {name: recorded(stage) for name, stage in tree.get("stages", {}).items()}


def recorded(stage: dict[str, Any]) -> Recorded:
    return Recorded(
        command=stage["cmd"],
        deps={entry["path"]: entry["md5"] for entry in stage.get("deps", [])},
        params={
            key: value
            for values in stage.get("params", {}).values()
            for key, value in values.items()
        },
        outs={entry["path"]: entry["md5"] for entry in stage.get("outs", [])},
    )


def read_pipeline(root: Path) -> dict[str, dict[str, Any]]:
    """The stages of dvc.yaml, by name, in its order."""
    found: dict[str, dict[str, Any]] = YAML(typ="safe", pure=True).load(root / "dvc.yaml")
    return found["stages"]


def outputs(stage: dict[str, Any]) -> list[str]:
    """The paths that a stage of dvc.yaml writes."""
    listed = [*stage.get("outs", []), *stage.get("metrics", [])]
    return [entry if isinstance(entry, str) else next(iter(entry)) for entry in listed]


def committed(root: Path, path: str) -> str:
    """The text of a file in HEAD. Raises InputError where it is not there."""
    done = subprocess.run(
        ["git", "show", f"HEAD:{path}"], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"{path} is not in the last commit ({' '.join(done.stderr.split())})")
    return done.stdout
