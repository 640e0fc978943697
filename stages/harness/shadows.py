"""Files that Python imports instead of the module that is meant, because they come first.

A torch.py in the top folder takes the place of PyTorch, an opt_einsum.py that of none, and yet
torch uses it: there the project's own packages alone may be imported. In PYTHONPATH, which
reproduction/environment.py records, nothing may hide another module.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder, all_suffixes
from inspect import getmodulename
from itertools import takewhile
from pathlib import Path

from harmonic.errors import InputError

OWN = {"harmonic", "stages", "studies", "reproduction", "benchmarks", "docs", "tests"}
"""Top-level packages of this project."""
HOOKS = {"sitecustomize", "usercustomize"}
"""Imported by Python itself when it starts."""


def refuse_shadows() -> None:
    try:
        check_shadows(Path.cwd())
    except InputError as error:
        sys.exit(f"stages: {error}")


def check_shadows(here: Path) -> None:
    """InputError where a file is in the way, or the library is not that of `here`."""
    if found := next(strangers(here), None):
        raise InputError(found)
    standard = os.path.dirname(os.__file__)  # noqa: PTH120  as it stands in sys.path
    for number, place in enumerate(takewhile(lambda place: place != standard, sys.path)):
        if Path(place).resolve() != here.resolve():
            for found in hiding(Path(place), sys.path[number + 1 :]):
                raise InputError(f"{found}; take {place} out of PYTHONPATH, or rename the file")
    library = Path(sys.modules["harmonic"].__file__ or "").parent
    if Path("harmonic").is_dir() and library.resolve() != Path("harmonic").resolve():
        raise InputError(f"harmonic was imported from {library.parent}, not from here, {here}")


def strangers(root: Path) -> Iterator[str]:
    """A line for each module in the top folder that is none of the project's own, and for each
    compiled one in these without a source, or that Python would not hold against it (PEP 552)."""
    for entry in sorted(root.iterdir()):
        name = module_name(entry)
        if name and name not in OWN:
            yield f"{entry} is no part of the project, but `import {name}` finds it; rename it"
    for compiled in sorted(path for package in OWN for path in (root / package).rglob("*")):
        if compiled.suffix == ".so" or (
            compiled.suffix == ".pyc" and compiled.parent.name != "__pycache__"
        ):
            yield f"{compiled} has no source in the project, but Python runs it; remove it"
        elif compiled.suffix == ".pyc":
            with compiled.open("rb") as file:
                if file.read(8)[4:] == b"\1\0\0\0":
                    yield f"{compiled} is run whatever its source says; remove it"


def hiding(place: Path, later: Sequence[str]) -> Iterator[str]:
    """A phrase for each module of a folder of PYTHONPATH that hides one of the places `later`."""
    for entry in sorted(place.iterdir()) if place.is_dir() else []:
        name = module_name(entry)
        if name is None or name in OWN | HOOKS:
            continue
        if name in sys.stdlib_module_names:
            yield f"{entry} hides the standard library's {name}"
        elif PathFinder.find_spec(name, later):
            yield f"{entry} hides the installed {name}"


def module_name(entry: Path) -> str | None:
    """The name by which a file or a package is imported; None where it is neither."""
    if not entry.is_dir():
        return getmodulename(entry.name)
    packaged = any((entry / f"__init__{suffix}").is_file() for suffix in all_suffixes())
    return entry.name if packaged else None
