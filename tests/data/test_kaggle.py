"""The real kagglehub against a server on loopback that answers as Kaggle does."""

import base64
import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harmonic.data.sources.kaggle import fetch_kaggle
from harmonic.errors import InputError


def archive() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("HAM10000_metadata.csv", "table")
        for folder in ("HAM10000_images_part_1", "ham10000_images_part_1"):
            file.writestr(f"{folder}/ISIC_0024306.jpg", "pixels")
    return buffer.getvalue()


class Kaggle(BaseHTTPRequestHandler):
    """Answers a download request with a redirection to the blob, or with `status`."""

    blob = archive()
    digest = hashlib.md5(blob).digest()
    status = 200

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.status != 200:
            self.send_error(self.status)
            return
        self.send_response(302)
        self.send_header("Location", f"http://127.0.0.1:{self.server.server_port}/blob")  # type: ignore[attr-defined]
        self.end_headers()

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.blob)))
        self.send_header("x-goog-hash", f"md5={base64.b64encode(self.digest).decode()}")
        self.end_headers()
        self.wfile.write(self.blob)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def kaggle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Kaggle]]:
    from kagglesdk import kaggle_env

    class Answers(Kaggle):
        pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "LOCALHOST")
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    endpoint = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setitem(kaggle_env._env_to_endpoint, kaggle_env.KaggleEnv.LOCAL, endpoint)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Answers
    server.shutdown()
    server.server_close()


def test_the_archive_arrives_with_each_image_once(kaggle: type[Kaggle], tmp_path: Path) -> None:
    fetch_kaggle(tmp_path / "raw")
    assert (tmp_path / "raw/HAM10000_metadata.csv").read_text(encoding="utf-8") == "table"
    assert [path.name for path in (tmp_path / "raw/images").iterdir()] == ["ISIC_0024306.jpg"]


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_refusal_is_one_line(kaggle: type[Kaggle], tmp_path: Path, status: int) -> None:
    kaggle.status = status
    with pytest.raises(InputError, match="kaggle kmader/skin-cancer") as caught:
        fetch_kaggle(tmp_path / "raw")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "raw").exists()


def test_a_wrong_digest_is_one_line(kaggle: type[Kaggle], tmp_path: Path) -> None:
    kaggle.digest = bytes(16)
    with pytest.raises(InputError, match="damaged on the way") as caught:
        fetch_kaggle(tmp_path / "raw")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "raw").exists()
