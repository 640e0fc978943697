"""A finished pipeline for all tests, and a copy of it for those of each module."""

from pathlib import Path

import pytest

from tests.stages.clones import copied, finished


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def clone(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this working tree with small parameters, all of it run and committed."""
    return copied(made, tmp_path_factory.mktemp("clone of a person") / "harmonic")
