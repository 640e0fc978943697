"""The gate in a fresh clone without data: it passes, and each way to break the record is named."""

import json
import os
import py_compile
import re
from collections.abc import Callable
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from harmonic.errors import InputError
from reproduction.environment import RECORD, code_digests, pins
from reproduction.gate import (
    changes,
    code_that_no_stage_lists,
    environment_of_another_lock,
    gate,
    paths_that_are_no_output,
    records_of_another_pipeline,
    records_that_contradict,
    requirements_without_pin,
)
from reproduction.imports import imported_files
from stages.harness.recorded import file_md5
from tests.stages.clones import ROOT, call, change


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    folder = tmp_path / "clone"
    call(ROOT, "git", "clone", "--quiet", ROOT, folder)
    return folder


def test_a_clone_without_data_is_judged_by_what_it_has(clone: Path, capsys) -> None:
    """The committed record may be older than the code while one works; the gate tells it."""
    gate(clone)
    before = capsys.readouterr().err
    assert "deleted" not in before
    assert "not in cache" not in before
    change(clone / "params.yaml", "lr: 0.003", "lr: 0.002")
    with (clone / "harmonic/images/resize.py").open("a", encoding="utf-8") as file:
        file.write("# another line\n")
    assert gate(clone) == 1
    found = capsys.readouterr().err
    assert "gate: train: parameter lr is modified; run dvc repro\n" in found
    assert "gate: resize: harmonic/images/resize.py is modified; run dvc repro\n" in found
    assert "gate: split:" not in found.removeprefix(before)


def test_code_that_every_stage_shares_is_compared_with_the_record(clone: Path, capsys) -> None:
    """Parameters that mean something else, classes in another order: no stage's own file."""
    with (clone / "stages/harness/params.py").open("a", encoding="utf-8") as file:
        file.write("tree = {}\n")
    with (clone / "harmonic/data/__init__.py").open("a", encoding="utf-8") as file:
        file.write("from harmonic.data import classes\n\nclasses.CLASSES = classes.CLASSES[::-1]\n")
    (clone / "harmonic/more.py").touch()
    (clone / "harmonic/data/classes").mkdir()  # it comes before classes.py
    (clone / "harmonic/data/classes/__init__.py").touch()
    with (clone / "harmonic/__init__.py").open("a", encoding="utf-8") as file:
        file.write("from . import more\n")
    assert gate(clone) == 1
    found = capsys.readouterr().err
    for name in (
        *("stages/harness/params.py", "harmonic/data/__init__.py", "harmonic/more.py"),
        "harmonic/data/classes/__init__.py",
    ):
        assert f"gate: {name}, which all stages share, changed: make reproduce, " in found


def test_code_in_a_folder_that_says_not_that_it_is_a_package_is_seen(clone: Path) -> None:
    change(
        clone / "stages/resize.py",
        "from functools",
        "from harmonic.images.colour import grey\nfrom functools",
    )
    (clone / "harmonic/images/colour").mkdir()
    (clone / "harmonic/images/colour/grey.py").touch()
    assert "harmonic/images/colour/grey.py" in imported_files(clone, "stages/resize.py")
    assert any("colour/grey.py" in line for line in code_that_no_stage_lists(clone))


def test_a_file_that_python_would_import_by_mistake_is_named(clone: Path) -> None:
    assert list(code_that_no_stage_lists(clone)) == []
    (clone / "torch.py").touch()
    (found,) = code_that_no_stage_lists(clone)
    assert found.startswith(f"{clone / 'torch.py'} ")


def test_compiled_code_of_what_its_source_was_is_named(clone: Path) -> None:
    """Changed, run and put back with its time, as `cp -p` does: Python runs what is compiled."""
    source = clone / "harmonic/images/resize.py"
    before, times = source.read_bytes(), source.stat()
    compiled = py_compile.compile(str(source), doraise=True)
    assert list(code_that_no_stage_lists(clone)) == []
    change(source, "np.round(", "np.floor(")
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert py_compile.compile(str(source), doraise=True) == compiled
    source.write_bytes(before)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert list(code_that_no_stage_lists(clone)) == [
        f"{compiled} is not what resize.py compiles to; remove it"
    ]
    os.utime(source, (0, 0))  # Python would not run it any more
    assert list(code_that_no_stage_lists(clone)) == []


@pytest.mark.parametrize(
    ("file", "line", "new"),
    [
        ("stages/resize.py", "from harmonic.data import more", "harmonic/data/more.py"),
        ("stages/resize.py", "import benchmarks.more", "benchmarks/more.py"),
    ],
)
def test_an_import_that_dvc_yaml_does_not_list_is_named(
    clone: Path, file: str, line: str, new: str
) -> None:
    """A new module, wherever it lies."""
    with (clone / file).open("a", encoding="utf-8") as text:
        text.write(f"{line}\n")
    (clone / new).parent.mkdir(exist_ok=True)
    (clone / new).touch()
    assert f"resize: imports {new}; put it among the deps in dvc.yaml" in list(
        code_that_no_stage_lists(clone)
    )


def test_an_extension_that_comes_before_a_listed_module_is_named(clone: Path) -> None:
    place = clone / f"harmonic/data/classes{EXTENSION_SUFFIXES[0]}"
    place.touch()
    assert f"{place} has no source in the project, but Python runs it; remove it" in list(
        code_that_no_stage_lists(clone)
    )


def test_findings_of_dvc_become_lines() -> None:
    assert list(changes(ROOT, "changed command")) == ["changed command"]
    assert list(changes(ROOT, {"changed deps": {"a": "deleted", "b": "modified"}})) == [
        "b is modified"
    ]
    assert list(changes(ROOT, {"changed deps": {"params.yaml": {"lr": "new"}}})) == [
        "parameter lr is new"
    ]


def test_a_dependency_inside_an_output_folder_is_refused(clone: Path) -> None:
    assert list(paths_that_are_no_output(clone)) == []
    change(clone / "dvc.yaml", "      data/hairless, ", "      data/hairless/one.jpg, ")
    assert list(paths_that_are_no_output(clone)) == [
        "resize: depends on data/hairless/one.jpg, which is no stage's output and not in git"
    ]


def test_a_stage_that_lists_less_than_its_record_is_named(clone: Path) -> None:
    assert list(records_of_another_pipeline(clone)) == []
    before, split, rest = (clone / "dvc.yaml").read_text(encoding="utf-8").partition("\n  split:")
    fewer = rest.replace("harmonic/data/split.py,", "", 1)
    (clone / "dvc.yaml").write_text(before + split + fewer, encoding="utf-8")
    change(clone / "dvc.yaml", "    params: [split]\n", "    frozen: true\n")
    change(clone / "dvc.yaml", "outs: [data/split.csv]", "outs: [data/split.csv, data/more.csv]")
    assert [
        line.split(":")[1].split(";")[0].strip() for line in records_of_another_pipeline(clone)
    ] == [
        "is frozen, so DVC never runs it",
        "harmonic/data/split.py is among the dependencies of dvc.lock, not in dvc.yaml",
        "split is among the parameters of dvc.lock, not in dvc.yaml",
        "data/more.csv is among the outputs of dvc.yaml, not in dvc.lock",
    ]


def test_a_requirement_without_a_version_is_named(clone: Path) -> None:
    assert list(requirements_without_pin(clone)) == []
    with (clone / "requirements-dev.txt").open("a") as file:
        file.write("-r more.txt\nrequests\n")
    assert [line.split(" has")[0] for line in requirements_without_pin(clone)] == [
        "requirements-dev.txt: -r more.txt", "requirements-dev.txt: requests",
    ]  # fmt: skip


def test_a_record_merged_from_two_branches_contradicts_itself(clone: Path) -> None:
    assert list(records_that_contradict(clone)) == []
    lock = (clone / "dvc.lock").read_text(encoding="utf-8")
    found = re.search(r"outs:\n    - path: data/images.npy\n +hash: md5\n +md5: (\w+)", lock)
    assert found
    start, end = found.span(1)
    (clone / "dvc.lock").write_text(lock[:start] + 32 * "0" + lock[end:], encoding="utf-8")
    assert {line.split(":")[0] for line in records_that_contradict(clone)} == {
        "find_lr", "train", "evaluate", "compress", "report",
    }  # fmt: skip


@pytest.fixture
def recorded(clone: Path) -> Callable[[dict[str, str]], None]:
    def write(packages: dict[str, str]) -> None:
        record = {"dvc.lock": file_md5(clone / "dvc.lock"), "code": code_digests(clone)}
        record |= {"packages": packages}
        (clone / RECORD).write_text(json.dumps(record), encoding="utf-8")

    return write


def test_a_bumped_pin_is_named(clone: Path, recorded: Callable[[dict[str, str]], None]) -> None:
    recorded(pins(clone))
    assert list(environment_of_another_lock(clone)) == []
    change(clone / "requirements.txt", "pillow==", "pillow==99.")
    with pytest.raises(InputError, match=r"constraints.txt: pillow==.*requirements.txt pins 99"):
        pins(clone)
    change(clone / "constraints.txt", "pillow==", "pillow==99.")
    (line,) = environment_of_another_lock(clone)
    assert line.startswith("package pillow is pinned to 99.")
    (clone / "dvc.lock").write_text("stages: {}\n", encoding="utf-8")
    assert any("describes another dvc.lock" in line for line in environment_of_another_lock(clone))
