"""A server on loopback for every test that asks for one."""

from collections.abc import Iterator

import pytest

from tests.data.loopback import Server, served


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served() as running:
        yield running
