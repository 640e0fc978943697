"""On photographs of HAM10000: predict says what evaluate wrote, from either format, and quickly."""

import csv
import json
import resource
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harmonic.data.classes import CLASSES
from studies.data import overridden, run_stages

ROOT = Path(__file__).parents[2]
ARCHIVE = ROOT.parent / "shared" / "ham10000" / "ham10000-600x450-sample.zip"
STAGES = ["download", "verify", "remove_hair", "resize", "split", "train", "evaluate"]
LIBRARIES = "cv2, numpy, onnx, onnxruntime, PIL.Image, pydantic, scipy.sparse, scipy.special"
"""What answering by a .onnx file cannot do without; torch alone would triple it."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not ARCHIVE.is_file(), reason=f"needs {ARCHIVE.name} in ../shared/ham10000"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the pipeline ran, up to evaluate, on the real images."""
    folder = tmp_path_factory.mktemp("real")
    changes = {"source": "archive", "archive": str(ARCHIVE), "epochs": 2, "train.width": 16,
               "device": "cpu", "evaluate.resamples": 100}  # fmt: skip
    run_stages(folder, overridden(changes), STAGES)
    command = [sys.executable, "-m", "harmonic", "export", "models/model.safetensors", "-o",
               "models/model.onnx"]  # fmt: skip
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return folder


def predicted(folder: Path, model: str, images: list[str]) -> list[dict[str, Any]]:
    command = [sys.executable, "-m", "harmonic", "predict", f"models/{model}", *images, "--json"]
    done = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows


def test_a_hundred_images_get_one_answer(trained: Path) -> None:
    names = sorted(path.name for path in (trained / "data/raw/images").iterdir())[:100]
    images = [f"data/raw/images/{name}" for name in names]
    answers = [predicted(trained, f"model.{kind}", images) for kind in ("safetensors", "onnx")]
    assert [row["image"] for row in answers[0]] == images
    for one, other in zip(*answers, strict=True):
        for key in ("probabilities", "balanced_probabilities"):
            assert one[key] == pytest.approx(other[key], abs=1e-4)


@pytest.mark.parametrize("kind", ["safetensors", "onnx"])
def test_test_images_get_what_evaluate_wrote(trained: Path, kind: str) -> None:
    for file, key in (
        ("predictions.csv", "balanced_probabilities"),
        ("predictions_natural.csv", "probabilities"),
    ):
        with (trained / "reports" / file).open(encoding="utf-8") as table:
            written = {row["image"]: row for row in csv.DictReader(table)}
        images = [f"data/raw/images/{name}.jpg" for name in written]
        for row in predicted(trained, f"model.{kind}", images):
            expected = written[Path(row["image"]).stem]
            for name in CLASSES:
                assert row[key][name] == pytest.approx(float(expected[name.upper()]), abs=1e-4)


def test_evaluating_the_archive_gives_what_the_stage_wrote(trained: Path) -> None:
    command = [sys.executable, "-m", "harmonic", "evaluate", "models/model.safetensors"]
    done = subprocess.run(
        [*command, str(ARCHIVE), "-o", "elsewhere", "--resamples", "100"],
        cwd=trained, check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "evaluate: 400 images of " in done.stdout
    for file in ("predictions.csv", "predictions_natural.csv"):
        written, found = (
            pd.read_csv(trained / folder / file, index_col="image")
            for folder in ("reports", "elsewhere")
        )
        np.testing.assert_allclose(found.loc[written.index], written, rtol=0, atol=1e-6)


def processor_seconds(command: list[str], folder: Path) -> float:
    """Of the quickest of three runs; what else the machine does is left out."""
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


def test_one_image_costs_little_more_than_its_libraries(trained: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(ARCHIVE) as archive:
        name = next(one for one in archive.namelist() if one.endswith(".jpg"))
        (tmp_path / "one.jpg").write_bytes(archive.read(name))
    predict = [sys.executable, "-m", "harmonic", "predict", "models/model.onnx"]
    start = [sys.executable, "-c", f"import {LIBRARIES}"]
    answered = processor_seconds([*predict, str(tmp_path / "one.jpg")], trained)
    assert answered < 2.5 * processor_seconds(start, trained)
