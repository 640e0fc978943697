"""Exported networks compute what the trained ones do; the bytes say nothing of the machine."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import nn

from harmonic.__main__ import main
from harmonic.deploy.export import TOLERANCE, export_onnx, largest_difference
from harmonic.deploy.int8 import export_int8
from harmonic.deploy.predictor import OnnxPredictor, normalised, views
from harmonic.errors import InputError
from harmonic.learning import batches
from harmonic.learning.batches import views as torch_views
from harmonic.model_file.description import KEY, Description
from harmonic.model_file.safetensors_file import load_model, save_model
from tests.deploy.conftest import describe, photograph, trained

NETWORKS = [
    {"network": "small", "options": {"width": 8, "batch_norm": "all"}},
    {"network": "small", "options": {"width": 8, "level": 2, "binarize": "ternary"}},
    {"network": "small", "conv": "plain", "options": {"width": 8}},
    {"network": "post", "options": {"image_size": 32, "dropout": 0.5}},
    {"network": "wrn-10-1", "options": {"level": "progressive"}},
    pytest.param(
        {"network": "resnet-18", "options": {"batch_norm": "first"}}, marks=pytest.mark.slow
    ),
]


def named(changes: dict[str, object]) -> str:
    return str(changes["network"])


@pytest.mark.parametrize("changes", NETWORKS, ids=named)
def test_onnx_runtime_computes_what_torch_does(tmp_path: Path, changes: dict[str, object]) -> None:
    description = describe(**changes)
    model = trained(description)
    path = tmp_path / "model.onnx"
    assert export_onnx(model, description, path, {}) <= TOLERANCE
    predictor = OnnxPredictor(path)
    assert predictor.description.record() == description.record()
    for batch in (1, 2, 7):
        images = torch.randn(batch, 3, 32, 32)
        with torch.inference_mode():
            expected = model(images).numpy()
        assert np.abs(predictor.run(images.numpy()) - expected).max() <= TOLERANCE


def test_the_check_finds_another_network(tmp_path: Path) -> None:
    description = describe()
    path = tmp_path / "model.onnx"
    export_onnx(trained(description), description, path, {})
    model = trained(description)
    with torch.no_grad():
        model.head[-1].bias[2] += 0.01
    assert largest_difference(model, OnnxPredictor(path)) == pytest.approx(0.01, rel=1e-2)


def test_a_file_that_computes_something_else_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harmonic.deploy.export.TOLERANCE", -1.0)
    with pytest.raises(InputError, match="differ from torch's by"):
        export_onnx(trained(describe()), describe(), tmp_path / "model.onnx", {})
    assert list(tmp_path.iterdir()) == []


def test_the_bytes_depend_on_the_network_alone(tmp_path: Path) -> None:
    description = describe()
    for name in ("one", "other"):
        export_onnx(trained(description), description, tmp_path / f"{name}.onnx", {"a": "b"})
    content = (tmp_path / "one.onnx").read_bytes()
    assert content == (tmp_path / "other.onnx").read_bytes()
    for word in (b".py", b"site-packages", b"/home", b"/tmp", b"torch/"):
        assert word not in content
    texts = {entry.key: entry.value for entry in onnx.load(tmp_path / "one.onnx").metadata_props}
    assert texts["a"] == "b"
    assert "no medical device" in texts["notice"]
    calibration = {"views": 8, "temperature": 0.8, "prior_exponent": 1.0}
    assert json.loads(texts[KEY])["calibration"] == calibration
    onnx.checker.check_model(onnx.load(tmp_path / "one.onnx"), full_check=True)


def test_numpy_normalises_and_turns_as_torch_does() -> None:
    pixels = np.stack([photograph(seed, 32, 32) for seed in range(3)])
    description = describe()
    normalise = batches.normaliser(nn.Identity(), description.statistics(), torch.device("cpu"))
    expected = normalise(batches.as_images(torch.from_numpy(pixels)))
    found = normalised(pixels, description)
    assert found.dtype == np.float32
    assert np.array_equal(found, expected.numpy())
    for count in (1, 8):
        pairs = zip(views(found, count), torch_views(expected, count), strict=True)
        assert all(np.array_equal(one, other.numpy()) for one, other in pairs)


def test_int8_answers_nearly_the_same_in_a_third_of_the_bytes(tmp_path: Path) -> None:
    description = describe(options={"width": 32})
    model = trained(description)
    pixels = np.stack([photograph(seed, 32, 32) for seed in range(40)])
    export_int8(model, description, tmp_path / "int8.onnx", pixels)
    export_int8(model, description, tmp_path / "again.onnx", pixels)
    assert (tmp_path / "int8.onnx").read_bytes() == (tmp_path / "again.onnx").read_bytes()
    export_onnx(model, description, tmp_path / "float32.onnx", {})
    exact, rounded = (OnnxPredictor(tmp_path / f"{n}.onnx") for n in ("float32", "int8"))
    assert np.abs(exact.logits(pixels) - rounded.logits(pixels)).max() < 0.1
    assert exact.logits(pixels).std(axis=0).max() > 0.01
    size, whole = ((tmp_path / f"{name}.onnx").stat().st_size for name in ("int8", "float32"))
    assert size < 0.3 * whole


def saved(path: Path, description: Description) -> torch.nn.Module:
    model = trained(description)
    save_model(path, model.state_dict(), description)
    return model


@pytest.mark.parametrize("kind", ["binary", "ternary"])
def test_a_packed_file_gives_the_same_outputs_to_the_bit(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "model.safetensors"
    model = saved(path, describe(options={"width": 32, "binarize": kind}))
    small = tmp_path / "packed.safetensors"
    assert main(["export", str(path), "-o", str(small), "--storage", "packed"]) == 0
    assert small.stat().st_size < path.stat().st_size / (20 if kind == "binary" else 13)
    loaded, description = load_model(small)
    assert description.storage == "packed"
    images = torch.randn(4, 3, 32, 32)
    with torch.inference_mode():
        assert torch.equal(loaded(images), model(images))
    assert main(["export", str(small), "-o", str(tmp_path / "packed.onnx")]) == 0
    again = ["export", str(small), "-o", str(tmp_path / "again.safetensors"), "--storage"]
    for storage in ("bfloat16", "packed"):  # neither would be smaller
        assert main([*again, storage]) == 1
    assert not (tmp_path / "again.safetensors").exists()
    small.write_bytes(small.read_bytes()[:-1])
    with pytest.raises(InputError, match="no whole safetensors file"):
        load_model(small)


def test_bfloat16_halves_the_file(tmp_path: Path) -> None:
    path, small = tmp_path / "model.safetensors", tmp_path / "half.safetensors"
    model = saved(path, describe(options={"width": 32}))
    assert main(["export", str(path), "-o", str(small), "--storage", "bfloat16"]) == 0
    assert small.stat().st_size < 0.51 * path.stat().st_size
    loaded, _ = load_model(small)
    for value, rounded in zip(model.parameters(), loaded.parameters(), strict=True):
        assert torch.equal(value.bfloat16().float(), rounded)


def test_wrong_uses_get_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], models: dict[str, Path]
) -> None:
    model = str(models["safetensors"])
    for words, part in (
        ([model, "-o", str(tmp_path / "no" / "m.onnx")], "no such folder"),
        ([model, "-o", str(tmp_path)], "is a folder"),
        ([model, "-o", str(tmp_path / "m.pt")], "must end in"),
        ([model, "-o", str(tmp_path / "m.onnx"), "--storage", "packed"], "--storage goes with"),
        ([model, "-o", str(tmp_path / "m.safetensors")], "--storage goes with"),
        ([model, "-o", str(tmp_path / "m.safetensors"), "--storage", "packed"], "binarised"),
        ([str(models["onnx"]), "-o", str(tmp_path / "m.onnx")], "no whole safetensors"),
        (["gone", "-o", str(tmp_path / "m.onnx")], "is not there"),
    ):
        assert main(["export", *words]) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert part in line
    assert list(tmp_path.iterdir()) == []
