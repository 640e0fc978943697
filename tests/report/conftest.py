"""The drawn test sets of tests/evaluation."""

from tests.evaluation.conftest import draw, drawn  # noqa: F401  (fixtures)
