"""Outputs shared through a DVC remote: who has the commit has the report, without training."""

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stages.clones import DVC, call, copied

pytestmark = pytest.mark.slow

S3 = all(importlib.util.find_spec(name) for name in ("moto", "flask", "dvc_s3"))


@pytest.fixture(scope="module")
def clone(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One with all outputs and their committed record."""
    return copied(made, tmp_path_factory.mktemp("shared") / "clone")


@pytest.fixture
def bucket(monkeypatch) -> Iterator[list[str]]:
    """moto's S3 server on loopback: `dvc remote` settings of an empty bucket there."""
    if not S3:
        pytest.skip("needs an S3 server and DVC's client: pip install 'moto[server]' dvc-s3")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "loopback")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{port}"
        request = urllib.request.Request(f"{address}/harmonic", method="PUT")
        deadline = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(request)
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.2)
        yield ["s3://harmonic/cache", f"endpointurl={address}"]
    finally:
        server.kill()
        server.wait()


def share(clone: Path, folder: Path, url: str, *settings: str) -> None:
    """Push from one clone, pull in another, and make the report there without running a stage."""
    fresh = folder / "fresh"
    call(folder, "git", "clone", "--quiet", clone, fresh)
    for place in (clone, fresh):
        call(place, DVC, "remote", "add", "--local", "--force", "--default", "shared", url)
        for setting in settings:
            call(place, DVC, "remote", "modify", "--local", "shared", *setting.split("=", 1))
    call(clone, DVC, "push", "--run-cache")
    printed = call(fresh, DVC, "repro", "--pull", "--allow-missing")
    assert "Running stage" not in printed
    call(fresh, DVC, "pull")
    for name in ("reports/report.html", "models/model.safetensors", "data/images.npy"):
        assert (fresh / name).read_bytes() == (clone / name).read_bytes()
    # Without a record the run cache still knows what these inputs give; evaluate alone, whose
    # metrics are in git and not in the cache, is cheap and runs, to the same bytes.
    (fresh / "dvc.lock").unlink()
    call(fresh, DVC, "pull", "--run-cache", "--allow-missing")
    printed = call(fresh, DVC, "repro", "--pull")
    ran = {line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage")}
    assert ran <= {"evaluate"}
    assert "Stage 'train' is cached - skipping run" in printed


def test_a_folder_shares_outputs(clone: Path, tmp_path: Path) -> None:
    share(clone, tmp_path, str(tmp_path / "remote"))


def test_a_bucket_shares_outputs(clone: Path, tmp_path: Path, bucket: list[str]) -> None:
    share(clone, tmp_path, *bucket)
    assert "AWS_ACCESS_KEY_ID" in os.environ
