"""Bad archives, tables and images stop their stage with one line, and what was there stays."""

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages import download, remove_hair, resize, split, verify
from tests.stages.clones import change_params

ROOT = Path(__file__).parents[2]
METADATA = "HAM10000_metadata.csv"


@pytest.fixture
def project(tmp_path: Path, monkeypatch) -> Path:
    """A project folder with a small archive, `source: archive`, as working directory."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("source: sample", "source: archive")
    text = text.replace("archive: data/no-archive", "archive: archive")
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    images = tmp_path / "archive" / "HAM10000_images_part_1"
    images.mkdir(parents=True)
    rows = []
    random = np.random.default_rng(0)
    for number in range(21):
        dx = ("mel", "nv", "bcc", "akiec", "bkl", "df", "vasc")[number % 7]
        pixels = random.integers(100, 140, size=(30, 40, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(images / f"ISIC_{number:07d}.jpg", quality=95)
        rows.append(f"HAM_{number:07d},ISIC_{number:07d},{dx},histo,{number}.0,male,back")
    table = "lesion_id,image_id,dx,dx_type,age,sex,localization\n" + "\n".join(rows) + "\n"
    (tmp_path / "archive" / METADATA).write_text(table, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


STAGES: dict[str, tuple[Callable[[], int], str]] = {
    "download": (download.main, "--raw data/raw"),
    "verify": (
        verify.main,
        "--raw data/raw --index data/index.csv --inspection data/inspection.csv "
        "--duplicates data/duplicates.csv --fingerprint data/fingerprint.json",
    ),
    "remove_hair": (
        remove_hair.main,
        "--raw data/raw --index data/index.csv --hairless data/hairless",
    ),
    "resize": (
        resize.main,
        "--hairless data/hairless --index data/index.csv --images data/images.npy",
    ),
    "split": (split.main, "--index data/index.csv --split data/split.csv"),
}


@pytest.fixture
def run(project, monkeypatch):
    def run_stage(name, archive="archive"):
        main, options = STAGES[name]
        change_params(project, archive=archive)
        monkeypatch.setattr("sys.argv", [name, *options.split()])
        return main()

    return run_stage


def line_of(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error."""
    (line,) = capsys.readouterr().err.strip().splitlines()
    return line


@pytest.fixture
def refusal(run, capsys):
    """Of a stage that ends with status 1: the one line on standard error."""

    def refused(name, archive="archive"):
        assert run(name, archive) == 1
        return line_of(capsys)

    return refused


@pytest.fixture
def table(project):
    """The table of the archive, to change."""
    return project / "archive" / METADATA


def test_a_good_archive_goes_through(project, run) -> None:
    for name in STAGES:
        assert run(name) == 0
    array = np.load(project / "data/images.npy")
    assert array.shape == (21, 64, 64, 3)
    table = pd.read_csv(project / "data/split.csv")
    assert table.split.value_counts().to_dict() == {"train": 7, "val": 7, "test": 7}
    left = [path for path in (project / ".partial").rglob("*") if path.is_file()]
    assert {path.name for path in left} == {"lock", "done"}


def test_a_file_that_is_no_archive(project, table, refusal) -> None:
    assert "gone.zip is not there" in refusal("download", "gone.zip")
    (project / "no-archive").write_bytes((ROOT / "data/no-archive").read_bytes())
    assert "no-archive: not a whole zip file" in refusal("download", "no-archive")
    path = project / "cut.zip"
    with zipfile.ZipFile(path, "w") as file:
        for member in sorted((project / "archive").rglob("*.*")):
            file.write(member, member.relative_to(project / "archive"))
    path.write_bytes(path.read_bytes()[:-2000])
    assert "cut.zip: not a whole zip file" in refusal("download", "cut.zip")
    table.unlink()
    assert f"archive archive: has no {METADATA}" in refusal("download")
    assert not (project / "data").exists()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("dx_type", "dxtype", "column dx_type is missing"),
        (",mel,", ",mole,", "dx is 'mole'; allowed are mel, nv, bcc"),
        ("ISIC_0000001", "ISIC_0000000", "image_id is 'ISIC_0000000'; a second row"),
        ("ISIC_0000001", "ISIC_9999999", "ISIC_9999999.jpg is named in the metadata but is not"),
    ],
)
def test_bad_metadata(project, table, run, capsys, old, new, message) -> None:
    text = table.read_text(encoding="utf-8")
    assert old in text
    table.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert run("download") or run("verify")
    assert message in line_of(capsys)
    assert not (project / "data/index.csv").exists()
    assert not (project / "data/fingerprint.json").exists()


@pytest.mark.parametrize("mode", ["L", "CMYK", "text", "cut"])
def test_a_bad_image_names_itself(project, run, refusal, mode) -> None:
    path = project / "archive/HAM10000_images_part_1/ISIC_0000003.jpg"
    if mode == "text":
        path.write_text("no image", encoding="utf-8")
    elif mode == "cut":
        path.write_bytes(path.read_bytes()[:400])
    else:
        Image.open(path).convert(mode).save(path)
    assert run("download") == 0
    # An error ends the worker processes, and new ones cost seconds: one of four cases has them.
    with joblib.parallel_config(backend="loky" if mode == "cut" else "threading"):
        assert "ISIC_0000003.jpg" in refusal("verify")
    assert not (project / "data/index.csv").exists()


@pytest.mark.parametrize(
    ("left_out", "split", "message"),
    [
        (["ISIC_0000005"], {}, "class df has 2 lesions, fewer than the 3 sets"),
        ([",df,", ",vasc,"], {}, "class df has 0 lesions, class vasc has 0 lesions, fewer than"),
        ([], {"folds": 5}, "has 3 lesions, fewer than the 5 sets fold 0"),
        ([], {"stable": True}, "split.stable leaves it to chance"),
    ],
)
def test_what_the_split_would_refuse_is_told_before_images_are_treated(
    project, table, run, refusal, left_out, split, message
) -> None:
    rows = table.read_text(encoding="utf-8").splitlines()
    kept = [row for row in rows if not any(text in row for text in left_out)]
    table.write_text("\n".join(kept), encoding="utf-8")
    change_params(project, split=split)
    assert run("download") == 0
    assert message in refusal("verify")
    assert not (project / "data/index.csv").exists()


def test_a_file_name_that_is_not_utf_8(project, run) -> None:
    (project / "archive" / os.fsdecode(b"caf\xe9.txt")).write_text("left aside", encoding="utf-8")
    assert run("download") == 0


def test_an_archive_that_source_passes_over_is_told(project, run, capsys) -> None:
    change_params(project, source="sample", download={"images": 200})
    assert run("download") == 0
    line = line_of(capsys)
    assert line.endswith("warning: 'archive' is not read, as source is sample, not archive")
    assert run("download", "data/no-archive") == 0
    assert capsys.readouterr().err == ""


def test_lesions_that_are_likely_none_are_told(project, table, run, capsys) -> None:
    text = table.read_text(encoding="utf-8").replace("HAM_0000001", "HAM_0000000")
    table.write_text(text, encoding="utf-8")
    change_params(project, split={"by": "image"})
    assert run("download") == run("verify") == 0
    told = " ".join(capsys.readouterr().err.split())  # lines of a terminal's width
    assert "warning: lesion HAM_0000000 has more than one diagnosis (1 such" in told


def test_an_earlier_result_outlives_a_failure(project, run, refusal, capsys) -> None:
    assert run("download") == run("verify") == 0
    index = (project / "data/index.csv").read_bytes()
    (project / "data/raw/images/ISIC_0000004.jpg").write_bytes(b"damaged")
    with joblib.parallel_config(backend="threading"):
        assert "ISIC_0000004.jpg" in refusal("verify")
    assert (project / "data/index.csv").read_bytes() == index


def test_a_leaky_split_warns_with_the_share(project, table, run, capsys) -> None:
    change_params(project, split={"by": "image"})
    rows = pd.read_csv(table)
    rows["lesion_id"] = "HAM_" + rows.dx  # three photographs of one lesion in every class
    rows.to_csv(table, index=False)
    assert run("download") == run("verify") == run("split") == 0
    assert "warning: 100.0% of the test images have a sibling" in capsys.readouterr().err
