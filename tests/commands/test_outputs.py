"""What commands write lies where nothing of the user's lay: no input, nothing unasked."""

import ast
import os
import shutil
from pathlib import Path

import pytest

from harmonic.__main__ import main
from harmonic.deploy.explain import picture_names
from harmonic.model_file.safetensors_file import load_model
from stages.harness.stage import run_stage
from tests.commands.given import contents, write_given

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("given")
    write_given(folder)
    return folder


@pytest.fixture
def mine(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that to work in, as working directory."""
    shutil.copytree(given, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """The one line that a command says when it does not work."""
    capsys.readouterr()
    assert main(words) == 1
    printed = capsys.readouterr()
    (line,) = printed.err.splitlines()
    return line


def test_heat_maps_leave_the_photographs_alone(mine: Path) -> None:
    before = contents(mine)
    words = ["predict", "model.safetensors", "photos/a.png", "--explain", "photos"]
    assert main(words) == 0
    after = contents(mine)
    assert set(after) - set(before) == {"photos/a-explained.png"}
    assert after == before | {"photos/a-explained.png": after["photos/a-explained.png"]}


def test_heat_maps_of_one_name_are_files_of_their_own(mine: Path) -> None:
    assert main(["predict", "model.safetensors", "photos", "--explain", "maps"]) == 0
    found = contents(mine / "maps")
    assert list(found) == ["a-explained-2.png", "a-explained-3.png", "a-explained.png"]
    assert len(set(found.values())) == 3


def test_a_heat_map_that_is_there_is_kept_unless_it_is_asked_for(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine / "maps").mkdir()
    (mine / "maps" / "a-explained-2.png").write_text("of someone else")
    before = contents(mine)
    words = ["predict", "model.safetensors", "photos", "--explain", "maps"]
    assert "a-explained-2.png: is there already" in refused(capsys, *words)
    assert contents(mine) == before
    assert main([*words, "--force"]) == 0
    assert (mine / "maps" / "a-explained-2.png").read_bytes().startswith(b"\x89PNG")
    shutil.copy("photos/a.png", "photos/a-explained.png")
    words = ["predict", "model.safetensors", "photos/a.png", "photos/a-explained.png"]
    line = refused(capsys, *words, "--explain", "photos", "--force")
    assert "is the file photos/a-explained.png, which this command uses" in line


def test_a_second_run_leaves_the_heat_map_of_another_image_of_this_name(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["predict", "model.safetensors", "photos/a.png", "--explain", "maps"]) == 0
    before = contents(mine)
    words = ["predict", "model.safetensors", "photos/more", "--explain", "maps"]
    assert "a-explained.png: is there already" in refused(capsys, *words)
    assert contents(mine) == before


def test_no_two_pictures_have_one_name_on_any_file_system() -> None:
    images = ["a.png", "A.jpg", "x/a.png", "a-explained.png", "-", "--", "é" * 300, "é" * 299]
    found = picture_names(images)
    assert found[0] == "a-explained.png"
    assert len({name.casefold() for name in found}) == len(images)
    assert max(len(os.fsencode(name)) for name in found) <= 255


@pytest.mark.parametrize("output", ["model.safetensors", "./model.safetensors", "soft", "hard"])
def test_export_leaves_its_input_alone(
    mine: Path, capsys: pytest.CaptureFixture[str], output: str
) -> None:
    """By whatever name; DVC's cache is another name of its outputs where they are hard links."""
    if not output.endswith(".safetensors"):
        output += ".safetensors"
        link = getattr(mine / output, "symlink_to" if output[0] == "s" else "hardlink_to")
        link(mine / "model.safetensors")
    before = contents(mine)
    words = ["export", "model.safetensors", "--storage", "bfloat16", "-o", output]
    for more in ([], ["--force"]):
        line = refused(capsys, *words, *more)
        assert "is the file model.safetensors, which this command uses" in line
        assert contents(mine) == before


@pytest.mark.parametrize("suffix", ["safetensors", "onnx"])
def test_export_over_a_hard_link_leaves_the_other_name_alone(
    mine: Path, capsys: pytest.CaptureFixture[str], suffix: str
) -> None:
    """An output of DVC, read-only and one file with its copy in the cache, is made anew."""
    cached, output = mine / "cached", mine / f"small.{suffix}"
    cached.write_text("earlier")
    cached.chmod(0o444)
    output.hardlink_to(cached)
    more = ["--storage", "bfloat16"] if suffix == "safetensors" else []
    words = ["export", "model.safetensors", "-o", output.name, *more]
    assert "is there already; give another name, or --force" in refused(capsys, *words)
    assert main([*words, "--force"]) == 0
    assert cached.read_text() == "earlier"
    assert output.stat().st_size > 1000
    if suffix == "safetensors":
        load_model(output)


def test_compare_writes_over_no_file_of_a_run(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = ["compare", "fold0", "fold1", "--resamples", "100"]
    (mine / "table.csv").write_text("a,b\n")
    (mine / "link.svg").hardlink_to(mine / "fold0" / "reports" / "predictions.csv")
    before = contents(mine)
    for more in ([], ["--force"]):
        for name in ("reports/metrics.json", "reports/predictions.csv", "data/split.csv"):
            line = refused(capsys, *runs, "--markdown", f"fold0/../fold1/{name}", *more)
            assert f"is the file fold1/{name}, which this command uses" in line
        assert "which this command uses" in refused(capsys, *runs, "--plot", "link.svg", *more)
        line = refused(capsys, "compare", "table.csv", "--markdown", "table.csv", *more)
        assert "is the file table.csv, which this command uses" in line
        line = refused(capsys, *runs, "--markdown", "c.svg", "--plot", "./c.svg", *more)
        assert "--plot c.svg: is the file c.svg, which this command uses" in line
    assert "is there already" in refused(capsys, *runs, "--markdown", "model.safetensors")
    assert contents(mine) == before


def test_pool_writes_over_no_file_of_a_fold(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folds = ["pool", "fold0", "fold1", "fold2", "--resamples", "100", "--output"]
    (mine / "linked").mkdir()
    (mine / "linked" / "data").symlink_to(mine / "fold1" / "data")
    before = contents(mine)
    for output in ("fold0", "fold1/reports", "linked"):
        line = refused(capsys, *folds, output, "--force")
        assert "which this command uses" in line
        assert contents(mine) == before
    assert main([*folds, "pooled"]) == 0
    pooled = contents(mine / "pooled")
    assert "is there already" in refused(capsys, *folds, "pooled")
    (mine / "pooled" / "per_class.csv").write_text("changed")
    assert main([*folds, "pooled", "--force"]) == 0
    assert contents(mine / "pooled") == pooled


def test_bench_keeps_what_is_there(mine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "is there already" in refused(capsys, "bench", "--output", "model.safetensors")


@pytest.mark.parametrize("place", ["index.csv", "x/../index.csv", ".", "other"])
def test_a_stage_started_by_hand_replaces_no_input_and_no_folder_of_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("x", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "index.csv").write_text("a\n")
    (tmp_path / "other" / "precious").write_text("b\n")
    before = contents(tmp_path)
    words = ["--index", "index.csv", "--split", place]
    assert run_stage("split", print, reads=["index"], writes=["split"], argv=words) == 1  # type: ignore[arg-type]
    assert f"--split {Path(place)}: " in capsys.readouterr().err
    after = contents(tmp_path)
    assert {name: after[name] for name in before} == before


WRITERS = {
    *("harmonic/files.py", "harmonic/data/sources/transfer.py"),
    *("harmonic/learning/processes.py", "reproduction/check.py"),
    "studies/data.py",
}
"""Modules with a way of their own: unfinished work that goes on, temporary folders and clones."""


@pytest.mark.parametrize("folder", ["harmonic", "studies", "benchmarks", "reproduction", "docs"])
def test_there_is_one_way_to_write_a_file(folder: str) -> None:
    found = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if name not in WRITERS and isinstance(node, ast.Call) and writes_in_place(node):
                found.append(f"{name}:{node.lineno}: {ast.unparse(node)[:80]}")
    assert found == []


def writes_in_place(call: ast.Call) -> bool:
    """Whether a call writes a file that is none of harmonic.files.whole's."""
    if not isinstance(call.func, ast.Attribute):
        return False
    first = ast.unparse(call.args[0]) if call.args else ""
    if ast.unparse(call.func.value) == "unfinished":
        return False
    if call.func.attr in ("write_text", "write_bytes"):
        return True
    if call.func.attr in ("save", "savefig"):  # Pillow's: overlooks a short write of a JPEG
        return first not in ("content", "buffer")
    if call.func.attr in ("to_csv", "savez", "savez_compressed"):
        return first not in ("", "unfinished")
    lock = "lock" in ast.unparse(call.func.value)
    return call.func.attr == "open" and first in ("'w'", "'wb'", "'x'", "'xb'") and not lock
