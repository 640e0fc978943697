"""Which files of this project a module imports, directly or through others; read from the text."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]


def imported_files(file: Path) -> set[str]:
    """Paths, relative to the project, of every project file that `file` imports, itself included.

    Imports inside functions count. A package's `__init__.py` counts where a name is taken from it.
    """
    found: set[Path] = set()
    waiting = [file]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            waiting.extend(direct_imports(current))
    return {path.relative_to(ROOT).as_posix() for path in found}


def direct_imports(file: Path) -> Iterator[Path]:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield from module_files(alias.name, [])
        elif isinstance(node, ast.ImportFrom):
            package = file.relative_to(ROOT).parts[: -node.level] if node.level else ()
            module = ".".join([*package, *([node.module] if node.module else [])])
            yield from module_files(module, [alias.name for alias in node.names])


def module_files(module: str, names: list[str]) -> Iterator[Path]:
    base = ROOT / Path(*module.split("."))
    if base.with_suffix(".py").is_file():
        yield base.with_suffix(".py")
    elif (base / "__init__.py").is_file():
        for name in names or [""]:
            submodule = base / f"{name}.py"
            yield submodule if name and submodule.is_file() else base / "__init__.py"
