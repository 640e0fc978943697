"""Which files of the project a stage reads though dvc.yaml does not list them.

DVC cannot see that a result depends on a file that it was not told of. Python reports every file it
opens to audit hooks (PEP 578), and knows from where its modules came. Files opened by compiled
libraries, or in the worker processes of the image stages, stay unseen.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

WITHOUT_EFFECT = (
    *(".venv", ".git", ".dvc", ".partial", "logs", "params.yaml", "dvc.yaml", "dvc.lock"),
    *("stages/harness", "harmonic/errors.py", "harmonic/provenance.py"),
    *("harmonic/learning/settings.py", "harmonic/learning/launcher.py"),
)
"""Paths that no result depends on, that DVC knows of otherwise (params.yaml by its keys), or that
`make gate` compares, as every `__init__.py` (`reproduction.imports.shared_code`)."""


def watch_opened() -> set[str]:
    """From now on collect the path of every file that this process opens to read."""
    opened: set[str] = set()

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and "r" in (arguments[1] or "r"):
            opened.add(arguments[0])

    sys.addaudithook(hook)
    return opened


def imported() -> set[str]:
    """The files of all modules that are loaded, those included that were before the watch began."""
    files = (getattr(module, "__file__", None) for module in list(sys.modules.values()))
    return {file for file in files if isinstance(file, str)}


def unlisted(opened: Iterable[str], listed: Iterable[str]) -> list[str]:
    """Of the files opened, those inside the working directory that `listed` does not cover."""
    here = os.path.realpath(".")
    covered = [Path(path) for path in (*listed, *WITHOUT_EFFECT)]
    found = set()
    for name in opened:
        path = Path(os.path.abspath(name))  # noqa: PTH100  a link counts as where it stands
        if path.parent.name == "__pycache__":
            path = path.parent.parent / f"{path.name.split('.')[0]}.py"
        if path.is_relative_to(here) and path.is_file() and path.name != "__init__.py":
            path = path.relative_to(here)
            if not any(path.is_relative_to(place) for place in covered):
                found.add(path.as_posix())
    return sorted(found)
