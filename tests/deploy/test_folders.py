"""What people have in their folders: odd names and kinds, huge photographs, other pictures."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from harmonic.__main__ import main
from harmonic.deploy.inputs import find_images
from tests.deploy.test_predict import ROOT, predict


def test_explanations_are_pictures(
    tmp_path: Path, models: dict[str, Path], photographs: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = photographs / "ISIC_0000003.jpg"
    words = [models["safetensors"], path, path, tmp_path / "no.jpg", "--explain", tmp_path / "out"]
    status, _ = predict(capsys, *words)
    assert status == 1
    pictures = sorted((tmp_path / "out").iterdir())
    assert [one.name for one in pictures] == [
        "ISIC_0000003-explained-2.png",
        "ISIC_0000003-explained.png",
    ]
    assert Image.open(pictures[0]).size == (640, 320)
    assert main(["predict", str(models["onnx"]), str(path), "--explain", str(tmp_path)]) == 1
    assert "has no gradients" in capsys.readouterr().err


def test_names_and_sizes_that_no_photograph_has_get_a_line_of_their_own(
    models: dict[str, Path], photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that breaks the line, one that steers the terminal, one in no encoding; a speck."""
    good = next(photographs.iterdir())
    for name in ("new\nline.jpg", "esc\x1b[31mred.jpg", os.fsdecode(b"bad\xff.jpg")):
        (tmp_path / name).write_bytes(good.read_bytes())
    Image.new("RGB", (1, 300)).save(tmp_path / "speck.png")
    assert main(["predict", str(models["onnx"]), str(tmp_path), "", str(good)]) == 1
    printed = capsys.readouterr().out
    lines = printed[printed.index("doctor.\n") :].splitlines()[1:]
    answers = [line for line in lines if not line.startswith("    ")]
    assert len(answers) == 6
    assert all(line.isprintable() for line in lines)
    assert sum(": error: " in line for line in answers) == 2
    assert "has 1 x 300 pixels; at least 28 a side are needed" in "".join(answers)
    assert "an empty word names no image" in "".join(answers)


def test_images_that_are_not_read_are_counted_and_end_in_status_1(
    models: dict[str, Path], photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "good.jpg").write_bytes(next(photographs.iterdir()).read_bytes())
    (tmp_path / "more").mkdir()
    for name in ("a.heic", "more/b.HEIC", "c.webp", "d.jp2", "._e.heic", "notes.txt", "f.avif"):
        (tmp_path / name).touch()
    status, (good, others) = predict(capsys, models["onnx"], tmp_path)
    assert status == 1
    assert "prediction" in good
    assert others["image"] == str(tmp_path)
    assert "2 .heic, 1 .avif, 1 .webp, 1 .jp2 not read (what is read: .jpg, " in others["error"]
    (tmp_path / "good.jpg").unlink()
    status, (only,) = predict(capsys, models["onnx"], tmp_path)
    assert (status, only["error"]) == (1, others["error"])


def test_an_address_is_told_as_such(
    models: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    status, (row,) = predict(capsys, models["onnx"], "https://example.org/a.jpg")
    assert status == 1
    assert "is an address, no file: download the image" in row["error"]


def test_pictures_of_explain_are_no_photographs(
    models: dict[str, Path], photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """But a photograph is, whatever it is called."""
    good = next(photographs.iterdir()).read_bytes()
    for name in ("a.jpg", "b-explained.png"):
        (tmp_path / name).write_bytes(good)
    words = [models["safetensors"], tmp_path, "--explain", tmp_path]
    assert predict(capsys, *words)[0] == 0
    assert (tmp_path / "a-explained.png").exists()
    status, rows = predict(capsys, models["onnx"], tmp_path)
    assert status == 0
    assert [Path(row["image"]).name for row in rows] == ["a.jpg", "b-explained.png"]


def test_a_second_run_leaves_the_pictures_of_other_images(
    models: dict[str, Path], photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.jpg").write_bytes((photographs / "ISIC_0000002.jpg").read_bytes())
    words = ["predict", str(models["safetensors"]), "--explain", str(tmp_path / "out")]
    assert main([*words, str(tmp_path / "one" / "a.jpg")]) == 0
    assert main([*words, str(tmp_path / "two" / "a.jpg")]) == 1
    assert "a-explained.png: is there already" in capsys.readouterr().err


PEAK = """
import resource, sys
from harmonic.__main__ import main
status = main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
sys.exit(status)
"""
"""Runs the command, and says last how many MB it held at most."""


@pytest.mark.slow
def test_many_large_photographs_take_little_memory(models: dict[str, Path], tmp_path: Path) -> None:
    Image.new("RGB", (8160, 6144), (200, 150, 140)).save(tmp_path / "0.png")
    for number in range(1, 12):
        (tmp_path / f"{number}.png").symlink_to(tmp_path / "0.png")
    command = [sys.executable, "-c", PEAK, "predict", str(models["onnx"]), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.splitlines()[-1]) < 1500


def test_hidden_files_of_a_folder_are_no_photographs(tmp_path: Path) -> None:
    for name in ("a.png", "._a.png", ".unfinished-b.png", "more/c.JPG"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [Path(one.name).name for one in find_images([str(tmp_path)])] == ["a.png", "c.JPG"]


def test_linked_folders_are_counted_and_odd_names_are_read(tmp_path: Path) -> None:
    """Links are not followed, as they may go in a circle; 75 photographs must not vanish in one."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/part_2").symlink_to(tmp_path / "elsewhere")
    for name in ("a.jpe", "b.JPG "):
        (tmp_path / "mine" / name).touch()
    *found, last = find_images([str(tmp_path / "mine")])
    assert [Path(one.name).name for one in found] == ["a.jpe", "b.JPG "]
    assert "1 linked folders not read" in last.problem


def test_a_terminal_that_knows_few_letters_gets_the_rows_all_the_same(
    models: dict[str, Path], photographs: Path, tmp_path: Path
) -> None:
    (tmp_path / "Fälle.jpg").write_bytes(next(photographs.iterdir()).read_bytes())
    command = [sys.executable, "-m", "harmonic", "predict", models["onnx"], tmp_path / "Fälle.jpg"]
    here = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, cwd=ROOT, env=here, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert rb"F\xe4lle.jpg" in done.stdout
