"""evaluate: a network's figures on any archive, the answers those that it gives elsewhere."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harmonic.__main__ import main
from harmonic.deploy.answers import answers
from harmonic.deploy.inputs import find_images
from harmonic.deploy.predictor import load_predictor
from harmonic.evaluation.contradictions import contradictions
from harmonic.evaluation.runs import read_runs
from harmonic.model_file.safetensors_file import save_model
from tests.commands.given import contents
from tests.deploy.conftest import describe, photograph, trained

METADATA = "HAM10000_metadata.csv"


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two models that prepare images in two ways, and an archive of two classes, as working
    directory: upright PNG files of other ids, a row of a class unknown here, one without image."""
    ways = ({}, {"aspect": "crop", "image_size": 28, "class_counts": [9, 9, 1, 1, 2, 3, 4]})
    for name, changes in zip(("a", "b"), ways, strict=True):
        description = describe(**changes)
        save_model(tmp_path / f"{name}.safetensors", trained(description).state_dict(), description)
    (tmp_path / "two/pictures").mkdir(parents=True)
    rows = ["image_id;dx;lesion_id", "p900;scc;L900", "p901;mel;L901"]
    for number in range(30):
        image = Image.fromarray(photograph(number, height=70, width=50))
        image.save(tmp_path / f"two/pictures/p{number:03d}.png")
        rows.append(f"p{number:03d};{'nv' if number // 2 % 3 else 'mel'};L{number // 2}")
    (tmp_path / "two" / METADATA).write_text("\n".join(rows) + "\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def predicted(model: str) -> np.ndarray:
    """Both rules' probabilities (2, 30, 7) of every image, as `predict` gives them."""
    found = answers(load_predictor(Path(model)), find_images(["two/pictures"]))
    rules = [(one.balanced_probabilities, one.probabilities) for one in found]
    return np.array([[list(rule.values()) for rule in each] for each in rules]).swapaxes(0, 1)


def test_a_folder_of_two_classes_is_measured_and_what_it_lacks_is_said(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "a.safetensors", "two", "-o", "run"]) == 0
    printed = capsys.readouterr().out
    assert "left out: rows with dx 'scc', no class of the network: 1\n" in printed
    assert "left out: rows without an image, such as 'p901': 1\n" in printed
    assert (
        "no image of bcc, akiec, bkl, df, vasc: means over classes are over the other 2" in printed
    )
    (run,) = read_runs(["run"])
    assert run.answers.image_ids.tolist() == [f"p{number:03d}" for number in range(30)]
    assert run.record["classes_without_images"] == ["bcc", "akiec", "bkl", "df", "vasc"]
    balanced, natural = predicted("a.safetensors")
    assert run.answers.natural == pytest.approx(natural, abs=1e-9)
    for name, rule in (("predictions", balanced), ("predictions_natural", natural)):
        written = pd.read_csv(mine / f"run/{name}.csv").iloc[:, 1:].to_numpy()
        assert written == pytest.approx(rule, abs=1e-9)
    right = (balanced.argmax(axis=1) == run.answers.labels).astype(float)
    each = [right[run.answers.labels == label].mean() for label in (0, 1)]
    assert run.metrics["balanced_accuracy"] == pytest.approx(np.mean(each), abs=1e-4)
    assert {"test_images": 30, "test_lesions": 15}.items() <= run.metrics.items()
    assert contradictions(run.metrics, run.answers) == []
    assert not {name for name in run.metrics if "_at_90" in name}  # no validation set, no threshold


def test_several_networks_answer_with_their_mean_each_preparing_images_its_own_way(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "a.safetensors", "b.safetensors", "two", "-o", "both"]) == 0
    assert main(["evaluate", "a.safetensors", "two", "-o", "one"]) == 0
    both, _ = read_runs(["both", "one"])
    mean = (predicted("a.safetensors") + predicted("b.safetensors")) / 2
    assert both.answers.balanced == pytest.approx(mean[0], abs=1e-5)
    assert both.answers.natural == pytest.approx(mean[1], abs=1e-9)
    capsys.readouterr()
    assert main(["compare", "one", "both", "--resamples", "100"]) == 0
    assert "15 lesions" in capsys.readouterr().out


def test_resampling_that_cannot_change_a_figure_gives_no_interval(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = (mine / "two" / METADATA).read_text().replace(";mel;", ";nv;")
    (mine / "two" / METADATA).write_text(table)
    assert main(["evaluate", "a.safetensors", "two", "--resamples", "100", "-o", "run"]) == 0
    assert "macro auc" not in capsys.readouterr().out  # of one class there is none
    (run,) = read_runs(["run"])
    lows = [name for name in run.metrics if name.endswith("_low")]
    assert all(run.metrics[low] < run.metrics[low[:-3] + "high"] for low in lows)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["gone.safetensors", "two"], "model gone.safetensors is not there"),
        (["two/HAM10000_metadata.csv", "two"], "its name must end in .safetensors or .onnx"),
        (["a.safetensors", "gone"], "archive gone is not there"),
        (["a.safetensors", "b.safetensors"], "archive b.safetensors: not a whole zip file"),
        (["a.safetensors", "two/pictures"], "archive two/pictures: has no HAM10000_metadata.csv"),
        (["a.safetensors", "two", "--resamples", "9"], "--resamples 9: at least 100"),
        (["a.safetensors", "two", "-o", "two"], "--output two: is there already"),
    ],
)
def test_bad_models_and_archives_are_one_line(
    mine: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    before = contents(mine)
    assert main(["evaluate", *words]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert contents(mine) == before


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("lesion_id", "lesion", "two: HAM10000_metadata.csv: column lesion_id is missing"),
        (";dx;", ";diagnosis;", "two: HAM10000_metadata.csv: column dx is missing"),
        ("p005;", "p004;", "line 9: image_id is 'p004'; a second row for this image"),
        ("L0\n", "L1\n", "lesion L1: images with two labels"),
        (";nv;", ";naevus;", "no image of mel, nv, bcc"),
    ],
)
def test_a_bad_table_is_one_line(
    mine: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, said: str
) -> None:
    table = (mine / "two" / METADATA).read_text()
    if "naevus" in new:
        table = table.replace(";mel;", ";melanoma;")
    (mine / "two" / METADATA).write_text(table.replace(old, new))
    assert main(["evaluate", "a.safetensors", "two", "-o", "run"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert not (mine / "run").exists()


def test_an_image_that_cannot_be_read_is_named(
    mine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (mine / "two/pictures/p007.png").write_bytes(b"no image")
    assert main(["evaluate", "a.safetensors", "two"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "image p007: cannot be decoded" in line
