"""The finished pipeline of tests/stages."""

from tests.stages.conftest import made  # noqa: F401  (a fixture)
