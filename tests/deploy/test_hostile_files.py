"""Model files that are damaged, foreign or meant to do harm: one clear line each, and quickly."""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harmonic.__main__ import main
from harmonic.deploy.predictor import load_predictor
from harmonic.errors import InputError
from harmonic.model_file.description import KEY, UNSEALED, sealed


def refused(path: Path, part: str) -> None:
    with pytest.raises(InputError) as caught:
        load_predictor(path)
    message = str(caught.value)
    assert part in message
    assert path.name in message
    assert "\n" not in message
    assert len(message) < 1000


def test_damaged_and_foreign_files_are_refused(tmp_path: Path, models: dict[str, Path]) -> None:
    for suffix, whole in models.items():
        content = whole.read_bytes()
        for part in (b"", b"no model", b"\xff" * 50, content[: len(content) // 2], content[:200]):
            path = tmp_path / f"model.{suffix}"
            path.write_bytes(part)
            refused(path, "model ")
    for name in ("model.pt", "model"):
        refused(tmp_path / name, "must end in .safetensors or .onnx")
    for name in ("gone.onnx", "gone.safetensors"):
        refused(tmp_path / name, "is not there")
    (tmp_path / "folder.onnx").mkdir()
    refused(tmp_path / "folder.onnx", "is not there")


@pytest.mark.parametrize("suffix", ["onnx", "safetensors"])
def test_files_that_are_too_large_are_not_read(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"large.{suffix}"
    with path.open("wb") as file:
        file.truncate(2**40)
    refused(path, "larger than")


@pytest.mark.parametrize(
    "record",
    [
        {"options": {"width": 8, "blocks": 1024}},
        {"options": {"width": 1024, "blocks": 8}},
        {"network": "wrn-1000-1000"},
        {"network": "wrn-9999999999-1"},
        {"options": {"width": 10**12}},
        {"network": "resnet-50", "options": {}},
    ],
)
def test_a_few_bytes_do_not_fill_the_memory(
    tmp_path: Path, models: dict[str, Path], record: dict[str, object]
) -> None:
    content = models["safetensors"].read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    description = json.loads(header["__metadata__"][KEY]) | record | {"sha256": UNSEALED}
    header["__metadata__"][KEY] = json.dumps(description)
    text = json.dumps(header).encode()
    path = tmp_path / "small.safetensors"
    path.write_bytes(sealed(struct.pack("<Q", len(text)) + text + content[8 + length :]))
    refused(path, "model ")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("suffix", ["onnx", "safetensors"])
def test_a_file_with_one_changed_bit_is_refused(
    tmp_path: Path, models: dict[str, Path], suffix: str, data: st.DataObject
) -> None:
    content = bytearray(models[suffix].read_bytes())
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    content[bit // 8] ^= 1 << bit % 8
    path = tmp_path / f"changed.{suffix}"
    path.write_bytes(content)
    refused(path, "model ")


@pytest.mark.parametrize("suffix", ["onnx", "safetensors"])
def test_changed_weights_are_told_as_such(
    tmp_path: Path, models: dict[str, Path], suffix: str
) -> None:
    content = bytearray(models[suffix].read_bytes())
    content[-200 if suffix == "safetensors" else len(content) // 2] ^= 1
    path = tmp_path / f"changed.{suffix}"
    path.write_bytes(content)
    refused(path, "its bytes are not those that were written")


def test_the_command_prints_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(b"no model")
    assert main(["predict", str(path), "image.jpg"]) == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
