"""An archive of phantoms, and what the pipeline's own stages make of it, once for all studies."""

import shutil
from pathlib import Path

import pytest

from harmonic.sample.archive import fetch_sample
from studies.data import images_of, overridden


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archive")
    fetch_sample(folder / "raw", folder / "unfinished", images=400, seed=0)
    return folder / "raw"


@pytest.fixture(scope="session")
def prepared(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("prepared") / "work"
    small = {"source": "archive", "archive": str(archive), "image_size": 28}
    images_of(work, overridden(small))
    return work


@pytest.fixture
def work(prepared: Path, tmp_path: Path) -> Path:
    """The folder that a study works in, with images of 28 pixels already there."""
    return Path(shutil.copytree(prepared, tmp_path / "work", symlinks=True))
