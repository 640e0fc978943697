"""A trained network in a folder and on a hub, which here is a server of our own."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from harmonic import TrainedNetwork
from harmonic.errors import InputError
from harmonic.model_file.description import Description
from harmonic.model_file.safetensors_file import load_model, save_model
from tests.deploy.conftest import describe, trained

COMMIT = "c" * 40


def images(described: Description) -> torch.Tensor:
    size = described.image_size
    return torch.rand(3, 3, size, size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("conv", "options"),
    [
        ("harmonic", {"width": 8, "batch_norm": "all"}),
        ("harmonic", {"width": 8, "level": 2, "transform": "random"}),
        ("plain", {"width": 16}),
        ("harmonic", {"width": 8, "binarize": "binary"}),
    ],
)
@torch.no_grad()
def test_what_was_saved_answers_as_before_to_the_bit(
    conv: str, options: dict[str, object], tmp_path: Path
) -> None:
    described = describe(conv=conv, options=options)
    network = TrainedNetwork(trained(described), described)
    network.save_pretrained(tmp_path)
    read = TrainedNetwork.from_pretrained(tmp_path)
    assert not read.training
    assert torch.equal(read(images(described)), network(images(described)))
    assert read.described.provenance == described.provenance
    assert "pipeline_tag: image-classification" in (tmp_path / "README.md").read_text()
    assert json.loads((tmp_path / "config.json").read_text())["options"] == options
    load_model(tmp_path / "model.safetensors")  # is a model file as any other


def test_the_folder_that_training_writes_is_read_as_it_is(tmp_path: Path) -> None:
    described = describe()
    save_model(tmp_path / "model.safetensors", trained(described).state_dict(), described)
    assert TrainedNetwork.from_pretrained(str(tmp_path)).described.options == described.options


def test_files_that_are_no_whole_model_files_are_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.safetensors is not there"):
        TrainedNetwork.from_pretrained(tmp_path)
    described = describe()
    network = TrainedNetwork(trained(described), described)
    network.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with pytest.raises(InputError, match="its bytes are not those that were written"):
        TrainedNetwork.from_pretrained(tmp_path)
    file.write_bytes(b"x" * 1000)
    with pytest.raises(InputError, match="no whole safetensors file"):
        TrainedNetwork.from_pretrained(tmp_path)


class Hub(BaseHTTPRequestHandler):
    """As much of the Hub as one push and one download ask for; keeps files in memory."""

    files: dict[str, bytes]

    def log_message(self, *_: object) -> None:
        pass

    def answer(self, content: bytes, **headers: str) -> None:
        self.send_response(200)
        for name, value in ({"Content-Length": str(len(content))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_POST(self) -> None:
        asked = self.rfile.read(int(self.headers["Content-Length"])).decode()
        found: dict[str, object] = {}
        if self.path == "/api/repos/create":
            found = {"url": f"http://{self.headers['Host']}/someone/skin", "id": "1"}
        elif "/preupload/" in self.path:
            paths = [file["path"] for file in json.loads(asked)["files"]]
            found["files"] = [
                {"path": path, "uploadMode": "regular", "shouldIgnore": False} for path in paths
            ]
        elif "/commit/" in self.path:
            for line in map(json.loads, asked.splitlines()):
                if line["key"] == "file":
                    self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            found = {
                "commitOid": COMMIT,
                "commitUrl": f"http://{self.headers['Host']}/someone/skin/commit/{COMMIT}",
            }
        self.answer(json.dumps(found).encode(), Content_Type="application/json")

    def do_GET(self) -> None:
        content = self.files.get(self.path.rpartition("/")[2])
        if not self.path.startswith("/someone/skin/resolve/main/") or content is None:
            self.send_error(404)
            return
        etag = f'"{hashlib.sha1(content, usedforsecurity=False).hexdigest()}"'
        self.answer(content, ETag=etag, X_Repo_Commit=COMMIT)

    do_HEAD = do_GET


@pytest.fixture
def hub() -> Iterator[ThreadingHTTPServer]:
    handler = type("Handler", (Hub,), {"files": {}})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


@pytest.mark.slow
def test_a_network_goes_to_the_hub_and_comes_back_the_same(
    hub: ThreadingHTTPServer, tmp_path: Path
) -> None:
    described = describe()
    network = TrainedNetwork(trained(described), described)
    network.save_pretrained(tmp_path / "there")
    code = f"""if True:
        from harmonic import TrainedNetwork
        TrainedNetwork.from_pretrained({str(tmp_path / "there")!r}).push_to_hub("someone/skin")
        back = TrainedNetwork.from_pretrained("someone/skin")
        back.save_pretrained({str(tmp_path / "back")!r})
        again = TrainedNetwork.from_pretrained("someone/skin", local_files_only=True)
        """
    address = f"http://127.0.0.1:{hub.server_port}"
    here = {"HF_ENDPOINT": address, "HF_HOME": str(tmp_path / "home"), "HF_TOKEN": "hf_none"}
    proxies = {"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
    subprocess.run([sys.executable, "-c", code], env=os.environ | here | proxies, check=True)
    for name in ("model.safetensors", "config.json", "README.md"):
        assert (tmp_path / "back" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()


def test_what_is_no_image_is_refused_and_not_answered() -> None:
    described = describe()
    network = TrainedNetwork(trained(described), described)
    for wrong in (
        torch.zeros(1, 3, 32, 32, dtype=torch.uint8),
        torch.zeros(3, 32, 32),
        torch.zeros(1, 1, 32, 32),
    ):
        with pytest.raises(ValueError, match="needed are floating-point numbers from 0 to 1"):
            network(wrong)


def test_a_network_of_half_precision_is_kept_and_answers(tmp_path: Path) -> None:
    described = describe()
    network = TrainedNetwork(trained(described), described).bfloat16()
    network.save_pretrained(tmp_path)
    read = TrainedNetwork.from_pretrained(tmp_path / "model.safetensors")
    assert read.network.state_dict().keys() == network.network.state_dict().keys()
    for name, value in network.network.state_dict().items():
        assert torch.equal(read.network.state_dict()[name].to(value.dtype), value)
    assert network(images(described).bfloat16()).dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["./modles", "~/nothing/there", "/no/such/folder"])
def test_a_name_that_is_nothing_is_one_line(name: str) -> None:
    with pytest.raises(InputError, match="no folder or file is there, and it is no name"):
        TrainedNetwork.from_pretrained(name)
