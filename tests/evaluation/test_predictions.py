import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import softmax

from harmonic.errors import InputError
from harmonic.evaluation.metrics import headline_metrics
from harmonic.evaluation.predictions import HEADER, read_predictions, write_predictions

GOOD = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\nISIC_1,0.4,0.1,0.1,0.1,0.1,0.1,0.1\n"


@settings(max_examples=25)
@given(st.integers(1, 30), st.integers(0, 1000))
def test_what_is_written_is_read(tmp_path_factory, count, seed):
    path = tmp_path_factory.mktemp("predictions") / "predictions.csv"
    probabilities = np.random.default_rng(seed).dirichlet(np.full(7, 0.1), size=count)
    ids = [f"ISIC_{n:07d}" for n in range(count)]
    write_predictions(path, ids, probabilities)
    read_ids, read = read_predictions(path)
    assert read_ids == ids
    np.testing.assert_allclose(read, probabilities, rtol=1e-15)


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
    _, read = read_predictions(tmp_path / "predictions.csv")
    one = headline_metrics(drawn.labels, balanced, drawn.natural)
    other = headline_metrics(drawn.labels, read, drawn.natural)
    for name, value in one.items():
        assert other[name] == pytest.approx(value, abs=1e-6), name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "header 'nothing'"),
        ("image,NV,MEL\n", "header 'image,NV,MEL'"),
        (GOOD.splitlines()[0] + "\n", "no row below the header"),
        (GOOD + "ISIC_2,0.4,0.6\n", "line 3 has 3 fields"),
        (GOOD + "ISIC_2,x,0,0,0,0,0,1\n", "line 3: could not convert"),
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
        read_predictions(path)
    assert "predictions.csv" in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_the_line_named_is_the_line_of_the_file(tmp_path):
    path = tmp_path / "predictions.csv"
    quoted = GOOD.replace("ISIC_1", '"two\nlines"').replace("\n", "\n\n", 1)
    path.write_text(f"\n{quoted}\nISIC_2,0.4,0.6\n")
    with pytest.raises(InputError, match="line 7 has 3 fields"):
        read_predictions(path)


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_predictions(tmp_path / "none.csv")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(InputError, match="cannot be read"):
        read_predictions(tmp_path / "binary.csv")


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
