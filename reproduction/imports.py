"""Which files of this project a module imports, directly or through others; read from the text."""

import ast
from collections.abc import Iterator
from functools import cache
from importlib.machinery import BYTECODE_SUFFIXES, EXTENSION_SUFFIXES, SOURCE_SUFFIXES
from pathlib import Path

SUFFIXES = (*EXTENSION_SUFFIXES, *SOURCE_SUFFIXES, *BYTECODE_SUFFIXES)
"""In the order in which Python looks for a module's file; a package comes before all of them."""


def imported_files(root: Path, *files: str) -> set[str]:
    """Paths, relative to the project `root`, of every project file that `files` import, they too.

    Imports inside functions count. So does the `__init__.py` of every package on the way to a
    module; of such a one, what is not run by the import alone counts where a name is taken from it.
    """
    found: set[tuple[Path, bool]] = set()
    waiting = [(root / file, True) for file in files]
    while waiting:
        current = waiting.pop()
        if current not in found:
            found.add(current)
            path, whole = current
            packages = [folder / "__init__.py" for folder in path.parents if folder != root]
            waiting += [(init, False) for init in packages if root in init.parents]
            waiting += [(imported, True) for imported in direct_imports(root, path, whole=whole)]
    return {path.relative_to(root).as_posix() for path, _ in found if path.is_file()}


def shared_code(root: Path) -> set[str]:
    """What every stage runs through, and no stage lists: the harness with what it imports, and the
    `__init__.py` of the packages that stages import.

    As dependencies they would have 5 GB downloaded again for a new parameter of another stage.
    """

    def imported_by(pattern: str) -> set[str]:
        files = (file.relative_to(root).as_posix() for file in (root / "stages").glob(pattern))
        return set().union(*(imported_files(root, file) for file in files))

    inits = {file for file in imported_by("*.py") if file.endswith("/__init__.py")}
    return imported_by("harness/*.py") | inits


def direct_imports(root: Path, file: Path, *, whole: bool = True) -> Iterator[Path]:
    """The project's files that `file` imports by itself; not `whole`: when it is imported."""
    if file.suffix != ".py" or not file.is_file():
        return
    for node in import_statements(file.read_text(encoding="utf-8"), whole):
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.Import):
            for name in names:
                yield from module_files(root, name, [])
        else:
            parts = file.relative_to(root).parts
            package = parts[: len(parts) - node.level] if node.level else ()
            yield from module_files(root, ".".join(filter(None, [*package, node.module])), names)


@cache
def import_statements(text: str, whole: bool) -> list[ast.Import | ast.ImportFrom]:
    tree = ast.parse(text)
    nodes = ast.walk(tree) if whole else run_at_import(tree)
    return [node for node in nodes if isinstance(node, ast.Import | ast.ImportFrom)]


def run_at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Every statement outside functions, and outside `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from run_at_import(node)


def module_files(root: Path, module: str, names: list[str]) -> Iterator[Path]:
    """The files of a module, or of those of `names` in a package that are modules themselves."""
    base = root.joinpath(*module.split("."))
    if not (root / module.split(".")[0]).is_dir():
        return  # modules of the top folder are refused (stages/harness/shadows.py)
    itself = list(module_file(base))
    for name in names or [""]:  # a folder is a package without __init__.py too
        submodule = list(module_file(base / name)) if name and base.is_dir() else []
        yield from submodule or itself


def module_file(base: Path) -> Iterator[Path]:
    """What Python loads for the module whose path without suffix is `base`, if it is there."""
    candidates = [base / "__init__.py", *(base.with_name(base.name + end) for end in SUFFIXES)]
    yield from [path for path in candidates if path.is_file()][:1]
