"""Verification as the stage runs it: what it notes, and what it refuses."""

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from stages import verify
from tests.data import archives

ROOT = Path(__file__).parents[2]
OPTIONS = (
    "--raw data/raw --index data/index.csv --inspection data/inspection.csv "
    "--duplicates data/duplicates.csv --fingerprint data/fingerprint.json"
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """`python -m stages.verify` in a project with a small data/raw."""
    for name in ("params.yaml", "dvc.yaml"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    images = tmp_path / "data/raw/images"
    images.mkdir(parents=True)
    for name, content in archives.images().items():
        (images / name).write_bytes(content)
    (tmp_path / "data/raw" / archives.METADATA).write_text(archives.metadata(), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["verify", *OPTIONS.split()])
    return verify.main


def fingerprint() -> dict[str, object]:
    found: dict[str, object] = json.loads(Path("data/fingerprint.json").read_text("utf-8"))
    return found


def test_every_image_is_noted(run: Callable[[], int]) -> None:
    assert run() == 0
    table = pd.read_csv("data/inspection.csv")
    assert table.image_id.tolist() == archives.IMAGE_IDS
    assert set(table.width) == {40}
    assert set(table["mode"]) == {"RGB"}
    with Image.open(f"data/raw/images/{archives.IMAGE_IDS[3]}.jpg") as image:
        pixels = np.array(image).reshape(-1, 3) / 255
    noted = table.loc[3, ["mean_r", "mean_g", "mean_b"]].to_numpy(dtype=float)
    assert noted == pytest.approx(pixels.mean(axis=0), abs=1e-6)
    noted = table.loc[3, ["std_r", "std_g", "std_b"]].to_numpy(dtype=float)
    assert noted == pytest.approx(pixels.std(axis=0), abs=1e-6)
    found = fingerprint()
    assert found["identity"]["verdict"] == "other"  # type: ignore[index]
    assert found["identity"]["known_ids"] == 21  # type: ignore[index]
    assert found["duplicates_across_groups"] == {"identical": 0, "near_identical": 0}


def test_the_same_data_give_the_same_bytes(run: Callable[[], int]) -> None:
    assert run() == 0
    names = ("index.csv", "inspection.csv", "duplicates.csv", "fingerprint.json")
    first = {name: Path("data", name).read_bytes() for name in names}
    assert run() == 0
    assert {name: Path("data", name).read_bytes() for name in names} == first


def test_an_image_under_two_lesions_is_reported(
    run: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    images = Path("data/raw/images")
    one, two, near = (images / f"{archives.IMAGE_IDS[n]}.jpg" for n in (2, 9, 15))
    detailed = np.random.default_rng(0).integers(0, 255, size=(24, 32, 3)).astype(np.uint8)
    picture = Image.fromarray(detailed).resize((200, 150), Image.Resampling.BICUBIC)
    picture.save(one, quality=95)
    two.write_bytes(one.read_bytes())
    picture.resize((400, 300)).save(near, quality=70)
    assert run() == 0
    assert "2 images look like one of another lesion group" in capsys.readouterr().err
    assert fingerprint()["duplicates_across_groups"] == {"identical": 1, "near_identical": 1}
    table = pd.read_csv("data/duplicates.csv")
    assert table.image_id.tolist() == [two.stem, near.stem]
    assert table.image_id_earlier.tolist() == [one.stem, one.stem]


def test_an_image_of_many_pixels_is_refused_before_it_is_decoded(
    run: Callable[[], int], capsys: pytest.CaptureFixture[str]
) -> None:
    """50,000 x 50,000 pixels would take 7.5 GB; the file has 73 bytes."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        whole = kind + content
        return struct.pack(">I", len(content)) + whole + struct.pack(">I", zlib.crc32(whole))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    parts = [chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0")), chunk(b"IEND", b"")]
    path = Path("data/raw/images") / f"{archives.IMAGE_IDS[5]}.jpg"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    assert run() == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert path.name in line
    assert "2500000000 pixels" in line
    assert not Path("data/index.csv").exists()
