"""The model in both formats that others are made of."""

from tests.deploy.conftest import models  # noqa: F401  (a fixture)
