"""Who may import whom: never upwards, never in a circle."""

import subprocess
import sys
import tomllib
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import harmonic
from reproduction.imports import direct_imports
from tests.stages.clones import ROOT

ALLOWED = {
    "nn": {"nn"},
    "images": {"images"},
    "data": {"data", "images"},
    "sample": {"sample", "data", "images"},
    "model_file": {"model_file", "data", "nn"},
    "learning": {"learning", "evaluation", "model_file", "data", "nn"},
    "evaluation": {"evaluation", "data", "nn"},
    "report": {"report", "evaluation", "learning", "model_file", "data", "images", "nn"},
    "bench": {"bench", "nn"},
    "deploy": {"deploy", "model_file", "learning", "evaluation", "data", "images", "nn"},
}
FILES = sorted((ROOT / "harmonic").rglob("*.py"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_imports_go_down_only(file: Path) -> None:
    package = file.relative_to(ROOT / "harmonic").parts[0]
    for imported in direct_imports(ROOT, file):
        parts = imported.relative_to(ROOT).parts
        assert parts[0] == "harmonic", f"imports {imported}: the library knows no stage"
        if package in ALLOWED and len(parts) > 2:
            assert parts[1] in ALLOWED[package], f"{package} imports {parts[1]}"


@pytest.mark.parametrize("package", ["images", "data", "sample"])
def test_what_makes_the_data_needs_no_torch(package: str) -> None:
    for file in (ROOT / "harmonic" / package).rglob("*.py"):
        text = file.read_text(encoding="utf-8")
        assert "import torch" not in text
        assert "from torch" not in text


@pytest.mark.parametrize("folder", ["harmonic", "stages", "studies", "benchmarks", "reproduction"])
def test_no_import_goes_in_a_circle(folder: str) -> None:
    """Those inside functions and for type checkers alone count too."""
    graph = {file: {*direct_imports(ROOT, file)} - {file} for file in (ROOT / folder).rglob("*.py")}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the files


def test_the_room_of_moments_has_one_door_and_knows_no_layer() -> None:
    nn = ROOT / "harmonic" / "nn"
    room = nn / "moments"
    for file in FILES:
        inside = [one for one in direct_imports(ROOT, file) if one.is_relative_to(room)]
        if file.is_relative_to(room):
            outside = {*direct_imports(ROOT, file)} - {*inside}
            assert outside <= {nn / name for name in ("checks.py", "geometry.py", "precision.py")}
        else:
            assert {*inside} <= {room / "__init__.py"}, f"{file} goes through the wall"


def test_every_module_loads_where_what_only_unix_has_is_missing() -> None:
    code = """if True:
        import builtins, importlib, sys
        UNIX = {"fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog", "posix"}
        OWN = ("harmonic", "stages", "studies", "benchmarks", "reproduction")
        real = builtins.__import__
        def checked(name, globals=None, *others, **named):
            importer = (globals or {}).get("__name__", "")
            if name in UNIX and importer.split(".")[0] in OWN:
                raise ImportError(f"{importer} imports {name}")
            return real(name, globals, *others, **named)
        builtins.__import__ = checked
        for name in sys.argv[1:]:
            importlib.import_module(name)
        """
    folders = ("harmonic", "stages", "studies", "benchmarks", "reproduction")
    files = [file for folder in folders for file in sorted((ROOT / folder).rglob("*.py"))]
    modules = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    run = [one for one in modules if not one.endswith(("__main__", "__init__"))]
    ended = subprocess.run(
        [sys.executable, "-c", code, *run], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr[-500:]


def test_the_version_stands_in_one_place_and_in_the_citation() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {harmonic.__version__}\n" in citation
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert "version" not in project
