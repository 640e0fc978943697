"""A file that Python would import instead of the module that is meant is refused by name."""

import os
import py_compile
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stages.harness.shadows import OWN, module_name, strangers
from tests.stages.clones import ROOT, call


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder in which stages start, its code linked."""
    for name in ("harmonic", "stages"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    return tmp_path


SPLIT = "split --index none --split s"


def start(folder: Path, command: str = SPLIT, **extra: str) -> str:
    """What a stage says that lacks its input."""
    words = [sys.executable, "-m", *f"stages.{command}".split()]
    done = subprocess.run(
        words, cwd=folder, env=os.environ | extra, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr


def test_other_files_and_folders_are_let_be(project: Path) -> None:
    (project / "analysis.ipynb").touch()
    (project / "torch").mkdir()  # without __init__.py the installed one comes first
    (project / "README.md").touch()
    assert "split: --index none is not there" in start(project)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("torch.py", "torch.py is no part of the project, but `import torch` finds it; rename it"),
        ("pandas.pyc", "pandas.pyc is no part of the project"),
        ("numpy/__init__.py", "numpy is no part of the project"),
        ("ruamel/__init__.py", "ruamel is no part of the project"),  # a namespace package
        ("json.py", "json.py is no part of the project"),
        ("sitecustomize.py", "sitecustomize.py is no part of the project"),
        ("opt_einsum.py", "opt_einsum.py is no part of the project"),  # torch uses one, if there
        ("numexpr/__init__.py", "numexpr is no part of the project"),  # and so does pandas
    ],
)
def test_a_module_of_the_top_folder_that_is_not_the_projects(
    project: Path, name: str, said: str
) -> None:
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).touch()
    assert said in start(project)


def test_compiled_code_that_is_not_held_against_its_source(project: Path) -> None:
    (project / "studies").mkdir()
    source, compiled = project / "studies/more.py", project / "studies/__pycache__/more.pyc"
    source.write_text("x = 1", encoding="utf-8")
    for mode in py_compile.PycInvalidationMode:
        py_compile.compile(str(source), str(compiled), invalidation_mode=mode)
        unchecked = mode is py_compile.PycInvalidationMode.UNCHECKED_HASH
        assert (f"{compiled} is run whatever its source says" in start(project)) == unchecked


@pytest.mark.parametrize("name", ["metrics/__init__.pyc", "metrics.pyc", "files.abi3.so"])
def test_compiled_code_without_a_source(project: Path, name: str) -> None:
    """A package is imported before a module of its name, an extension before a source."""
    place = project / "studies" / name
    place.parent.mkdir(parents=True)
    place.touch()
    assert f"{name} has no source in the project, but Python runs it" in start(project)


@pytest.mark.parametrize("name", ["scipy.py", "numexpr.py", "cv2/__init__.py", "json.pyc"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_module_in_pythonpath_that_is_not_the_projects(
    project: Path, tmp_path: Path, name: str, packed: bool
) -> None:
    """Whether it hides an installed one, or is one that a library uses where it is there."""
    place = tmp_path / "elsewhere"
    (place / name).parent.mkdir(parents=True)
    (place / name).touch()
    if packed:
        place = Path(shutil.make_archive(str(place), "zip", place))
    said = start(project, PYTHONPATH=str(place))
    assert f"`import {Path(name).parts[0].split('.')[0]}` finds a file in {place}, which" in said
    assert f"take {place} out of PYTHONPATH" in said


@pytest.mark.parametrize(
    ("name", "refused"),
    [
        ("evil.egg-info/entry_points.txt", True),
        ("torch-9.dist-info/METADATA", True),
        ("harmonic_networks.egg-info/entry_points.txt", True),
        ("harmonic_networks.egg-info/PKG-INFO", False),
    ],
)
def test_metadata_of_a_package_in_the_top_folder(project: Path, name: str, refused: bool) -> None:
    place = project / name
    place.parent.mkdir()
    place.touch()
    assert (f"{place.parent} tells Python of a package" in start(project)) == refused


def test_torch_loads_no_plugin_in_a_stage(project: Path, tmp_path: Path) -> None:
    about = tmp_path / "elsewhere/evil.egg-info"
    about.mkdir(parents=True)
    (about / "entry_points.txt").write_text("[torch.backends]\nevil = nowhere:go\n")
    train = "train --images none --split s --model m --history h --first-batch f"
    said = start(project, train, PYTHONPATH=str(about.parent))
    assert "train: --images none is not there" in said


def test_the_code_of_another_clone_is_refused(tmp_path: Path) -> None:
    (tmp_path / "harmonic").mkdir()
    said = start(tmp_path, PYTHONPATH=str(ROOT))
    assert f"harmonic was imported from {ROOT}, not from here, {tmp_path}" in said


def test_names_of_modules() -> None:
    assert module_name(Path("a.py")) == "a"
    assert module_name(Path("a.cpython-311-x86_64-linux-gnu.so")) in ("a", None)  # by the machine
    assert module_name(Path("a.txt")) is None
    assert list(strangers(ROOT)) == []


def test_the_project_is_what_git_has_at_its_top() -> None:
    files = call(ROOT, "git", "ls-files", "*.py").splitlines()
    assert {name.split("/")[0] for name in files} == OWN
