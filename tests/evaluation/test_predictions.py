from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers, answers_from, csv_table
from harmonic.evaluation.metrics import headline_metrics
from harmonic.evaluation.predictions import HEADER, write_predictions


def read(path: Path) -> Answers:
    """What a run with these predictions answered."""
    table = csv_table(path.read_bytes(), path.name)
    truth = pd.DataFrame({"image": table.get("image", []), "lesion_id": "HAM_1", "dx": "nv"})
    return answers_from(table, truth.drop_duplicates(), None, path.name)


GOOD = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nISIC_1,0.4,0.1,0.1,0.1,0.1,0.1,0.1\n"


@settings(max_examples=25)
@given(st.integers(1, 30), st.integers(0, 1000))
def test_what_is_written_is_read(tmp_path_factory, count, seed):
    path = tmp_path_factory.mktemp("predictions") / "predictions.csv"
    probabilities = np.random.default_rng(seed).dirichlet(np.full(7, 0.1), size=count)
    ids = [f"ISIC_{n:07d}" for n in range(count)]
    write_predictions(path, ids, probabilities)
    found = read(path)
    assert found.image_ids.tolist() == ids
    np.testing.assert_allclose(found.balanced, probabilities, rtol=1e-14)


def test_the_form_is_that_of_isic_2018_task_3(tmp_path):
    path = tmp_path / "predictions.csv"
    write_predictions(path, ["ISIC_0000001", "ISIC_0000002"], np.eye(7)[[0, 6]])
    lines = path.read_bytes().decode().split("\n")
    assert lines[0] == "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC"
    assert lines[1] == "ISIC_0000001,1.0000000000000000e+00" + ",0.0000000000000000e+00" * 6
    table = pd.read_csv(path)
    assert (table.dtypes[list(HEADER[1:])] == "float64").all()


@pytest.mark.parametrize("sharpness", [1, 8, 30])
def test_the_file_gives_the_metrics_of_the_array(tmp_path, drawn, sharpness):
    """Also those of an overconfident network, whose AUCs hang on probabilities like 1e-40."""
    balanced = softmax(np.log(drawn.balanced) * sharpness, axis=1)
    ids = [f"ISIC_{n:07d}" for n in range(len(drawn.labels))]
    write_predictions(tmp_path / "predictions.csv", ids, balanced)
    found = read(tmp_path / "predictions.csv").balanced
    one = headline_metrics(drawn.labels, balanced, drawn.natural)
    other = headline_metrics(drawn.labels, found, drawn.natural)
    for name, value in one.items():
        assert other[name] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no readable CSV table"),
        ("image,NV,MEL\n", "column BCC, AKIEC, BKL, DF, VASC is missing"),
        (GOOD.splitlines()[0] + "\n", "shape \\(0, 7\\)"),
        (GOOD + "ISIC_2,0.4,0.6\n", "image ISIC_2, class bcc is nan"),
        (GOOD + "ISIC_2,0.4,0.6,0,0,0,0,0,0\n", "Expected 8 fields in line 3, saw 9"),
        (GOOD + "ISIC_2,x,0,0,0,0,0,1\n", "real numbers are needed"),
        (GOOD + "ISIC_2,nan,0,0,0,0,0,1\n", "image ISIC_2, class mel is nan"),
        (GOOD + "ISIC_2,0.5,0,0,0,0,0,1\n", "image ISIC_2 sums to 1.5"),
        (GOOD + GOOD.splitlines()[1], "image ISIC_1 stands there twice"),
        (GOOD + ",0,0,0,0,0,0,1\n", "an empty image id"),
    ],
)
def test_a_broken_file_is_refused_in_one_line_naming_it(tmp_path, text, message):
    path = tmp_path / "predictions.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as refusal:
        read(path)
    assert "predictions.csv" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="no readable CSV table"):
        read(tmp_path / "binary.csv")


def test_what_could_not_be_read_is_not_written(tmp_path):
    path = tmp_path / "predictions.csv"
    for ids, rows in (
        (["a", "a"], np.eye(7)[:2]),
        (["a"], np.eye(7)[:2]),
        (["a", "b"], np.full((2, 7), np.nan)),
    ):
        with pytest.raises(InputError, match=r"predictions\.csv"):
            write_predictions(path, ids, rows)
    assert not path.exists()
