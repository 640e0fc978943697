"""python -m harmonic predict: one answer an image, whatever is in the files."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonic.__main__ import main
from harmonic.data.classes import CLASSES
from harmonic.evaluation.rules import decision_rules
from harmonic.images.decode import encode_jpeg, read_rgb
from harmonic.images.hair.folder import remove_hair_from_file
from harmonic.images.prepare import prepared
from harmonic.images.resize import resize
from harmonic.model_file.safetensors_file import save_model
from tests.deploy.conftest import describe, photograph, trained

ROOT = Path(__file__).parents[2]


def predict(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, list[dict]]:
    status = main(["predict", *map(str, words), "--json"])
    return status, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("method", ["none", "directional", "luv-closing"])
@pytest.mark.parametrize("aspect", ["squash", "crop", "pad"])
def test_an_image_is_prepared_as_the_pipeline_does(
    tmp_path: Path, photographs: Path, method: str, aspect: str
) -> None:
    changed = 0
    for path in sorted(photographs.iterdir()):
        changed += remove_hair_from_file(path, tmp_path / path.name, method)
        expected = resize(read_rgb(tmp_path / path.name), 32, aspect)
        found = prepared(read_rgb(path), hair_method=method, size=32, aspect=aspect)
        assert np.array_equal(found, expected)
    assert (changed > 0) == (method != "none")


def test_both_formats_give_what_the_rules_give(
    models: dict[str, Path], photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, from_torch = predict(capsys, models["safetensors"], photographs)
    status, rows = predict(capsys, models["onnx"], photographs)
    assert status == 0
    assert [row["image"] for row in rows] == sorted(map(str, photographs.iterdir()))

    import torch

    from harmonic.learning.batches import predict_logits

    description = describe()
    pixels = np.stack(
        [prepared(read_rgb(path), hair_method="directional", size=32, aspect="squash")
         for path in sorted(photographs.iterdir())]
    )  # fmt: skip
    logits = predict_logits(
        trained(description), pixels, description.statistics(), torch.device("cpu"), view_count=8
    )
    balanced, natural = decision_rules(
        logits, description.class_counts, imbalance="logit_adjustment", temperature=0.8
    )
    for n, (row, other) in enumerate(zip(rows, from_torch, strict=True)):
        assert set(row) == {"image", "prediction", "probabilities", "balanced_probabilities"}
        for key, expected in (("probabilities", natural), ("balanced_probabilities", balanced)):
            assert list(row[key]) == list(CLASSES)
            assert list(row[key].values()) == pytest.approx(expected[n], abs=1e-5)
            assert list(other[key].values()) == pytest.approx(expected[n], abs=1e-12)
        assert row["prediction"] == CLASSES[natural[n].argmax()]


def test_a_bad_file_has_its_row_and_the_rest_goes_on(
    tmp_path: Path, models: dict[str, Path], photographs: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    good = photographs / "ISIC_0000001.jpg"
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(good.read_bytes()[:300])
    bomb = tmp_path / "bomb.png"
    Image.new("1", (9_000, 9_000)).save(bomb)
    empty = tmp_path / "empty"
    empty.mkdir()
    os.mkfifo(tmp_path / "pipe")
    words = [good, cut, bomb, empty, tmp_path / "pipe", tmp_path / "nothing.jpg", "/dev/zero", good]
    status, rows = predict(capsys, models["onnx"], *words)
    assert status == 1
    assert [row["image"] for row in rows] == [str(word) for word in words]
    assert rows[0] == rows[-1]
    for row, part in zip(
        rows[1:-1],
        ["cannot be decoded", "9000 x 9000 pixels", "no image", "no regular file", "no such file",
         "no regular file"],
        strict=True,
    ):  # fmt: skip
        assert set(row) == {"image", "error"}
        assert part in row["error"]
        assert "\n" not in row["error"]

    assert main(["predict", str(models["onnx"]), str(cut), str(good)]) == 1
    printed = capsys.readouterr().out.splitlines()
    assert "no medical device" in printed[0]
    assert all(len(line) <= 80 for line in printed[:-3])
    assert printed[-3].startswith(f"{cut}: error: ")
    assert printed[-2].startswith(f"{good}: ")
    assert all(f"{name} 0." in printed[-1] for name in CLASSES)


def test_links_in_a_circle_end(
    tmp_path: Path, models: dict[str, Path], photographs: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    inner = tmp_path / "photos" / "inner"
    inner.mkdir(parents=True)
    (inner / "again").symlink_to(tmp_path / "photos")
    (inner / "b.JPG").write_bytes((photographs / "ISIC_0000001.jpg").read_bytes())
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    (tmp_path / "photos" / "broken.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "link").symlink_to(tmp_path / "photos")
    status, rows = predict(capsys, models["onnx"], tmp_path / "link")
    assert status == 1
    assert [Path(row["image"]).name for row in rows] == ["broken.png", "b.JPG"]
    assert rows[0]["error"] == "there is no such file"
    assert "error" not in rows[1]


class Input:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_standard_input_is_one_image(
    models: dict[str, Path], photographs: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    path = photographs / "ISIC_0000002.jpg"
    _, (expected,) = predict(capsys, models["onnx"], path)
    monkeypatch.setattr(sys, "stdin", Input(path.read_bytes()))
    status, rows = predict(capsys, models["onnx"], "-", "-")
    assert status == 1
    assert rows[0] == expected | {"image": "-"}
    assert "already" in rows[1]["error"]
    monkeypatch.setattr(sys, "stdin", Input(b"some text"))
    _, (row,) = predict(capsys, models["onnx"], "-")
    assert row["error"].endswith("cannot be decoded (it is no JPEG, PNG, BMP, TIFF file)")
    monkeypatch.setattr(sys, "stdin", Input(b""))
    status, rows = predict(capsys, models["onnx"], "-")
    assert (status, len(rows)) == (1, 1)
    assert "standard input is empty" in rows[0]["error"]
    monkeypatch.setattr(sys, "stdin", Input(encode_jpeg(photograph(1))[:200]))
    _, rows = predict(capsys, models["onnx"], "-")
    assert "cannot be decoded" in rows[0]["error"]


def test_hair_removal_can_be_chosen(
    models: dict[str, Path], photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hairy = photographs / "ISIC_0000002.jpg"
    _, (own,) = predict(capsys, models["onnx"], hairy)
    _, (none,) = predict(capsys, models["onnx"], hairy, "--hair", "none")
    assert own["probabilities"] != none["probabilities"]
    assert main(["predict", str(models["onnx"]), str(hairy), "--hair", "wax"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "'wax'" in line
    assert "directional" in line


def test_more_images_than_a_batch(
    models: dict[str, Path], photographs: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = photographs / "ISIC_0000001.jpg"
    _, (one,) = predict(capsys, models["onnx"], path)
    status, rows = predict(capsys, models["onnx"], *[path] * 70)
    assert status == 0
    assert len(rows) == 70
    for row in rows:
        assert row["probabilities"] == pytest.approx(one["probabilities"], abs=1e-6)


def test_a_network_of_drawings_says_so_with_every_answer(
    photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    description = describe(provenance={"source": "sample"})
    model = tmp_path / "model.safetensors"
    save_model(model, trained(description).state_dict(), description)
    _, rows = predict(capsys, model, photographs)
    assert {row["warning"] for row in rows} == {"trained on drawings, not on skin"}
    assert main(["predict", str(model), str(photographs)]) == 0
    said = capsys.readouterr().out.count("(trained on drawings, not on skin)\n")
    assert said == len(rows)


@pytest.mark.parametrize(
    ("words", "module", "extra"),
    [("predict m.onnx a.jpg", "onnxruntime", "predict"), ("compare a b", "pandas", "pipeline")],
)
def test_a_missing_package_is_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words, module, extra
) -> None:
    for name in [name for name in sys.modules if name.startswith("harmonic.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    assert main(words.split()) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{module} is not installed: pip install 'harmonic-networks[{extra}]'" in line


WITHOUT_TORCH = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "pandas", "sklearn", "safetensors", "matplotlib"):
            raise ImportError(f"{name} is not here")
sys.meta_path.insert(0, Refuse())
from harmonic.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_an_onnx_file_needs_no_torch(
    models: dict[str, Path], photographs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor does it leave anything in the home folder, as ONNX Runtime's telemetry would."""
    words = [str(models["onnx"]), str(photographs), "--json"]
    _, expected = predict(capsys, *words[:-1])
    command = [sys.executable, "-c", WITHOUT_TORCH, "predict", *words]
    home = tmp_path / "home"
    home.mkdir()
    here = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    done = subprocess.run(command, cwd=ROOT, env=here, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert list(home.iterdir()) == []
    assert json.loads(done.stdout) == expected
    assert "no medical device" in done.stderr
