"""Figures and predictions of one run agree; of two runs they do not, and the report says so."""

import json

import numpy as np
import pandas as pd
import pytest

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.agreement import disagreements
from harmonic.evaluation.bootstrap import metrics_document
from harmonic.evaluation.predictions import write_predictions
from harmonic.evaluation.report import ReportContents, render_card, render_report
from stages.report import predictions_of, read_metrics


@pytest.fixture(scope="module")
def metrics(drawn):
    return metrics_document(*drawn, resamples=20, seed=0)


def test_the_figures_of_a_run_agree_with_its_predictions(drawn, metrics):
    assert disagreements(metrics, drawn.labels, drawn.balanced, drawn.natural) == []


def test_one_changed_prediction_is_noticed_on_page_and_card(drawn, metrics):
    balanced = drawn.balanced.copy()
    wrong = (drawn.labels[0] + 1) % len(CLASSES)
    balanced[0] = 0.99 * np.eye(len(CLASSES))[wrong] + 0.01 / len(CLASSES)
    doubts = disagreements(metrics, drawn.labels, balanced, drawn.natural)
    assert any(line.startswith("balanced_accuracy is ") for line in doubts)
    contents = ReportContents(metrics=metrics, doubts=doubts)
    assert doubts[0] in render_report(contents)
    assert doubts[0] in render_card(contents)
    assert "do not fit together" not in render_report(ReportContents(metrics=metrics))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda ids: ids[:-1], "test image ISIC_0000009 has no answer; 9 of 10"),
        (lambda ids: [*ids[:-1], "ISIC_0000010"], "image ISIC_0000010 is no test image"),
        (lambda ids: [*ids[:-1], "ISIC_0000099"], "image ISIC_0000099 is no test image"),
    ],
)
def test_the_report_answers_the_test_images_and_no_others(tmp_path, change, words):
    ids = [f"ISIC_{number:07d}" for number in range(10)]
    split = pd.DataFrame({"image_id": [*ids, "ISIC_0000010"], "dx": "nv"})
    split["split"] = ["test"] * 10 + ["train"]
    answered = change(ids)
    paths = tmp_path / "predictions.csv", tmp_path / "predictions_natural.csv"
    for path in paths:
        write_predictions(path, answered, np.full((len(answered), 7), 1 / 7))
    with pytest.raises(InputError, match=words):
        predictions_of(*paths, split)


def test_figures_are_read_as_they_are_and_must_be_numbers(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"test_images": 280, "temperature": 1.5}))
    assert repr(read_metrics(path)["test_images"]) == "280"  # a count stays a whole number
    path.write_text(json.dumps({"ece": None, "temperature": 1.5}))
    with pytest.raises(InputError, match="ece is None; allowed is a finite number"):
        read_metrics(path)
    path.write_text(json.dumps({"ece": 0.1}))
    with pytest.raises(InputError, match="temperature is missing"):
        read_metrics(path)
