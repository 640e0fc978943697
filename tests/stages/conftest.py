"""A clone for the tests of each module."""

from pathlib import Path

import pytest

from tests.stages.clones import small_clone


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone of this working tree with small parameters, committed."""
    return small_clone(tmp_path_factory.mktemp("clone of a person") / "harmonic")
