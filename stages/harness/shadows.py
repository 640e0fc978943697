"""Files that Python imports instead of the module that is meant, because they come first.

A torch.py in the top folder takes the place of PyTorch, and no stage lists it. What is installed
belongs to the environment (reproduction/environment.py); what hides it is refused by name.
"""

import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import PathFinder, all_suffixes
from pathlib import Path

from harmonic.errors import InputError

OWN = ("harmonic", "stages", "studies", "reproduction", "benchmarks", "docs", "tests")
"""Top-level packages of this project."""
HOOKS = ("sitecustomize", "usercustomize")
"""Imported by Python itself when it starts."""


def refuse_shadows() -> None:
    """End the process with one line where a file hides a module, or the library is another's."""
    try:
        check_shadows(Path.cwd())
    except InputError as error:
        sys.exit(f"stages: {error}")


def check_shadows(here: Path) -> None:
    """InputError where a file hides a module, or the library is not the one of `here`."""
    if found := next(hiding(here, later_than(here)), None):
        raise InputError(f"{found}; rename it")
    for place in first_places():
        if place.resolve() != here.resolve():
            for found in hiding(place, later_than(place), hooks=()):
                raise InputError(f"{found}; take {place} out of PYTHONPATH, or rename the file")
    library = Path(sys.modules["harmonic"].__file__ or "").parent
    if Path("harmonic").is_dir() and library.resolve() != Path("harmonic").resolve():
        raise InputError(f"harmonic was imported from {library.parent}, not from here, {here}")


def hiding(folder: Path, later: Sequence[str], hooks: Sequence[str] = HOOKS) -> Iterator[str]:
    """A phrase for each file or package of `folder` that would be imported instead of another.

    `later`: the places where Python looks after `folder`.
    """
    for entry in sorted(folder.iterdir()) if folder.is_dir() else []:
        name = module_name(entry)
        if name is None or name in OWN:
            continue
        if name in hooks:
            yield f"{entry} would be run by Python at its start"
        elif name in sys.stdlib_module_names and name not in HOOKS:
            yield f"{entry} hides the standard library's {name}"
        elif name not in HOOKS and PathFinder.find_spec(name, later):
            yield f"{entry} hides the installed {name}"


def module_name(entry: Path) -> str | None:
    """The name by which a file or a package is imported; None where it is neither."""
    if entry.is_dir():
        packaged = any((entry / f"__init__{suffix}").is_file() for suffix in all_suffixes())
        return entry.name if packaged else None
    names = [entry.name.removesuffix(end) for end in all_suffixes() if entry.name.endswith(end)]
    return min(names, key=len) if names else None


def first_places() -> Iterator[Path]:
    """Where Python looks before it looks in the standard library: here, and in PYTHONPATH."""
    standard = os.path.dirname(os.__file__)  # noqa: PTH120  as it stands in sys.path
    for place in sys.path:
        if place == standard:
            return
        yield Path(place)


def later_than(folder: Path) -> list[str]:
    """The places of sys.path after `folder`; all others where it is none of them."""
    resolved = [Path(place).resolve() for place in sys.path]
    start = resolved.index(folder.resolve()) + 1 if folder.resolve() in resolved else 0
    return sys.path[start:]
