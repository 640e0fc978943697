"""The picture of the README shows phantoms, and nothing that another run has left."""

import shutil
from pathlib import Path

import pytest

from benchmarks.contact_sheet import main

ROOT = Path(__file__).parents[2]


def test_images_that_nobody_drew_are_no_picture_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`source` is sample again, but a run that failed took images from elsewhere."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "data/raw/images").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["contact_sheet", "picture.jpg"])
    with pytest.raises(SystemExit):
        main()
    assert "data/raw holds no phantoms" in capsys.readouterr().err
    assert not (tmp_path / "picture.jpg").exists()
