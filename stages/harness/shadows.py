"""Files that Python imports instead of the module that is meant, because they come first.

A torch.py in the top folder takes the place of PyTorch, an opt_einsum.py that of none, and yet
torch uses it: there, and in the folders of PYTHONPATH, the project's own packages alone may be
imported, and what Python itself imports when it starts.
"""

import os
import pkgutil
import sys
from collections.abc import Iterator
from importlib.machinery import all_suffixes
from inspect import getmodulename
from itertools import takewhile
from pathlib import Path

from harmonic.errors import InputError

OWN = {"harmonic", "stages", "studies", "reproduction", "benchmarks", "docs", "tests"}
"""Top-level packages of this project."""
HOOKS = {"sitecustomize", "usercustomize"}
"""Imported by Python itself when it starts."""
OWN_METADATA = "harmonic_networks.egg-info"
"""What `pip install --editable .` leaves in the top folder."""


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
    for place in takewhile(lambda place: place != standard, sys.path):
        if Path(place).resolve() == here.resolve():
            continue
        for module in pkgutil.iter_modules([place]):
            if module.name not in OWN | HOOKS:
                raise InputError(
                    f"`import {module.name}` finds a file in {place}, which is no part of the "
                    f"project; take {place} out of PYTHONPATH"
                )
    library = Path(sys.modules["harmonic"].__file__ or "").parent
    if Path("harmonic").is_dir() and library.resolve() != Path("harmonic").resolve():
        raise InputError(f"harmonic was imported from {library.parent}, not from here, {here}")


def strangers(root: Path) -> Iterator[str]:
    """A line for each module in the top folder that is none of the project's own, metadata of
    another package, whose plugins libraries would load, and each compiled module of the project
    without a source, or that Python would not hold against it (PEP 552)."""
    for entry in sorted(root.iterdir()):
        name = module_name(entry)
        if name and name not in OWN:
            yield f"{entry} is no part of the project, but `import {name}` finds it; rename it"
        if entry.suffix.lower() in (".egg-info", ".dist-info") and (
            entry.name != OWN_METADATA or (entry / "entry_points.txt").exists()
        ):
            yield f"{entry} tells Python of a package that is not installed; remove it"
    for compiled in sorted(path for package in OWN for path in (root / package).rglob("*")):
        if compiled.suffix == ".so" or (
            compiled.suffix == ".pyc" and compiled.parent.name != "__pycache__"
        ):
            yield f"{compiled} has no source in the project, but Python runs it; remove it"
        elif compiled.suffix == ".pyc":
            with compiled.open("rb") as file:
                if file.read(8)[4:] == b"\1\0\0\0":
                    yield f"{compiled} is run whatever its source says; remove it"


def module_name(entry: Path) -> str | None:
    """The name by which a file or a package is imported; None where it is neither."""
    if not entry.is_dir():
        return getmodulename(entry.name)
    packaged = any((entry / f"__init__{suffix}").is_file() for suffix in all_suffixes())
    return entry.name if packaged else None
