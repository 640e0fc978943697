"""The files of one run agree; of two runs, or edited, they do not, and the report says so."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import (
    lesion_metrics,
    metrics_document,
    per_class_document,
    resampled_weights,
)
from harmonic.evaluation.metrics import headline_metrics, uncalibrated_metrics
from harmonic.evaluation.operating_points import operating_metrics, operating_points
from harmonic.evaluation.predictions import write_predictions
from harmonic.evaluation.rules import decision_rules, uncalibrated_rule
from harmonic.evaluation.subgroups import subgroup_table
from harmonic.learning.sweep import Sweep
from harmonic.report.agreement import (
    Evidence,
    disagreements,
    of_figures,
    of_network,
    of_rules,
    of_tables,
)
from harmonic.report.agreement_of_data import of_fingerprint, of_lr_range, of_split
from harmonic.report.doubts import rates_of
from harmonic.report.files import answers_to, read_history, read_metrics
from harmonic.report.render import draw_figures, render_card, render_report
from tests.evaluation.conftest import CLASS_COUNTS

RESAMPLED = {"resamples": 20, "seed": 0}


@pytest.fixture(scope="module")
def evidence(draw):
    """A run as its files and its network would give it."""
    test, val = draw(), draw(lesions=150, seed=1)
    random = np.random.default_rng(0)
    logits = random.normal(size=(len(val.labels), 7))
    logits[np.arange(len(val.labels)), val.labels] += 2.5
    images = len(test.labels)
    index = pd.DataFrame(
        {
            "lesion_group": test.lesions,
            "sex": random.choice(["male", "female", "unknown"], images),
            "age": random.integers(20, 90, images).astype(float),
            "localization": random.choice(["back", "face"], images),
            "dx_type": random.choice(["histo", "follow_up"], images),
        }
    )
    return Evidence(
        labels=test.labels,
        lesions=test.lesions,
        balanced=test.balanced,
        natural=test.natural,
        index=index,
        class_counts=np.array(CLASS_COUNTS),
        imbalance="logit_adjustment",
        temperature=1.0,
        rates=[0.001, 0.0005, 0.0],
        epoch=2,
        tried=np.arange(0, images, 3),
        tried_logits=np.log(test.balanced[::3]),
        val_labels=val.labels,
        val_logits=logits,
        val_logits_one_view=logits,
        val_loss=1.0,
        **RESAMPLED,
    )


@pytest.fixture(scope="module")
def files(evidence, tmp_path_factory):
    """What evaluate and train would have written, read as the report reads it."""
    folder = tmp_path_factory.mktemp("files")
    answers = Answers(evidence.labels, evidence.lesions, evidence.balanced, evidence.natural)
    of_test = (answers, resampled_weights(answers.labels, answers.lesions, **RESAMPLED))
    val_balanced, _ = decision_rules(
        evidence.val_logits, CLASS_COUNTS, imbalance="logit_adjustment", temperature=1.0
    )
    points = operating_points(evidence.val_labels, val_balanced, *of_test)
    uncalibrated = uncalibrated_rule(evidence.balanced, CLASS_COUNTS, 1.0)
    scores = headline_metrics(evidence.val_labels, val_balanced, val_balanced)
    history = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": 1.0, "val_loss": 1.0})
    history["lr"] = evidence.rates
    for name in ("balanced_accuracy", "accuracy", "macro_auc"):
        history[f"val_{name}"] = [scores[name] - 0.1, scores[name], scores[name] - 0.05]
    tables = {
        "per_class": per_class_document(*of_test),
        "operating_points": points,
        "subgroups": subgroup_table(
            evidence.index, evidence.labels, evidence.balanced, **RESAMPLED
        ),
    }
    for name, table in tables.items():
        table.to_csv(folder / name, index=False)
        tables[name] = pd.read_csv(folder / name, dtype={"value": str})
    metrics = {
        **metrics_document(*of_test),
        **lesion_metrics(*of_test),
        **uncalibrated_metrics(evidence.labels, uncalibrated),
        **operating_metrics(points),
        "temperature": 1.0,
    }
    return {"metrics": metrics, "history": history, "tables": tables}


def test_the_files_of_a_run_agree(evidence, files):
    assert disagreements(evidence, **files) == []


def test_every_changed_figure_of_metrics_json_is_named(evidence, files):
    made = dict(files["metrics"])
    for name, value in made.items():
        (line,) = of_figures("metrics.json", made | {name: value + 0.001}, made)
        assert line.startswith(f"{name} is ")
    left_out = {name: value for name, value in made.items() if name != "ece_low"}
    assert of_figures("metrics.json", left_out, made) == ["ece_low is missing in metrics.json"]
    assert (
        "beauty in metrics.json is no figure"
        in of_figures("metrics.json", made | {"beauty": 1.0}, made)[0]
    )
    changed = {name: value + 0.01 for name, value in made.items()}
    lines = of_figures("metrics.json", changed, made)
    assert len(lines) == 5
    assert lines[-1] == f"{len(made) - 4} more figures of metrics.json"


@pytest.mark.parametrize("name", ["per_class", "operating_points", "subgroups"])
def test_every_changed_cell_of_a_table_is_named(evidence, files, name):
    table = files["tables"][name]
    keys = table.columns[: 1 if name == "per_class" else 2].tolist()
    for column in table.columns.drop(keys):
        row = int(table[column].first_valid_index())
        changed = table.copy()
        changed[column] = changed[column].astype(float)
        changed.loc[row, column] += 0.01
        (line,) = of_tables(name, keys, {name: changed}, table)
        assert line.startswith(f"{column} of ")
        assert f"in {name}.csv, but " in line
    spoilt = [table.iloc[1:], table.drop(columns=table.columns[-1])]
    for changed in spoilt:
        assert len(of_tables(name, keys, {name: changed}, table)) == 1


@pytest.mark.parametrize(
    ("name", "row", "column", "value", "words"),
    [
        ("per_class", 0, "sensitivity", 0.123, "sensitivity of mel is 0.1230 in per_class.csv"),
        ("per_class", 2, "auc_low", 0.123, "auc_low of bcc is 0.1230 in per_class.csv"),
        (
            "operating_points",
            0,
            "sensitivity",
            0.123,
            "sensitivity of melanoma, 0.9 is 0.1230 in operating_",
        ),
        (
            "operating_points",
            1,
            "threshold",
            0.999,
            "threshold of melanoma, 0.95 is 0.9990 in operating_",
        ),
        (
            "subgroups",
            0,
            "balanced_accuracy",
            0.123,
            "balanced_accuracy of sex, female is 0.1230",
        ),
        ("history", 1, "val_balanced_accuracy", 0.999, "val_balanced_accuracy of epoch 2 is 0.999"),
        (
            "history",
            1,
            "val_loss",
            0.2,
            "val_loss of epoch 2 is 0.2000 in history.csv, but the model",
        ),
        ("history", 1, "val_macro_auc", 0.999, "val_macro_auc of epoch 2 is 0.9990 in history.csv"),
        ("history", 0, "val_balanced_accuracy", 0.999, "is best in epoch 1, but the model is of 2"),
        (
            "history",
            1,
            "lr",
            0.0006,
            "lr of epoch 2 is 0.000600000 in history.csv, but 0.000500000",
        ),
        ("history", 0, "epoch", 7, "epochs are not 1, 2, 3 and so on"),
    ],
)
def test_one_changed_value_of_a_table_is_said(evidence, files, name, row, column, value, words):
    given = {"history": files["history"], **files["tables"]}
    given[name] = given[name].copy()
    given[name].loc[row, column] = value
    (line,) = disagreements(evidence, files["metrics"], given.pop("history"), given)
    assert words in line


def test_one_changed_prediction_is_noticed_on_page_and_card(evidence, files, contents):
    balanced = evidence.balanced.copy()
    wrong = (evidence.labels[0] + 1) % len(CLASSES)
    balanced[0] = 0.99 * np.eye(len(CLASSES))[wrong] + 0.01 / len(CLASSES)
    doubts = disagreements(replace(evidence, balanced=balanced), **files)
    assert any(line.startswith("balanced_accuracy is ") for line in doubts)
    figures = draw_figures(contents)
    doubtful = replace(contents, doubts=doubts)
    assert doubts[0] in render_report(doubtful, figures)
    assert doubts[0] in render_card(doubtful)
    assert "do not fit together" not in render_report(contents, figures)


def test_answers_of_two_rules_that_are_of_two_runs_are_noticed(evidence, files):
    natural = evidence.natural.copy()
    natural[3] = np.roll(natural[3], 1)
    lines = of_rules(replace(evidence, natural=natural))
    assert lines == ["predictions_natural.csv does not follow from predictions.csv for 1 images"]


def test_answers_that_the_network_does_not_give_are_noticed(evidence, files):
    """Predictions and every figure made of them are another network's; rounding is let be."""
    assert of_network(evidence) == []
    near = replace(evidence, tried_logits=evidence.tried_logits + 1e-4)
    assert of_network(near) == []
    balanced = evidence.balanced.copy()
    balanced[[3, 4, 6]] = np.roll(balanced[[3, 4, 6]], 1, axis=1)  # of which 3 and 6 are tried
    tried = len(evidence.tried)
    assert of_network(replace(evidence, balanced=balanced)) == [
        f"predictions.csv has other answers than the network for 2 of {tried} images tried, "
        "3 the first"
    ]


@pytest.mark.parametrize("shuffled", [False, True])
def test_answers_come_in_the_order_of_the_test_images(tmp_path, shuffled):
    ids = [f"ISIC_{number:07d}" for number in range(7)]
    paths = tmp_path / "predictions.csv", tmp_path / "predictions_natural.csv"
    answered = [*reversed(ids)] if shuffled else ids
    for path in paths:
        write_predictions(path, answered, np.eye(7)[[ids.index(name) for name in answered]])
    for found in answers_to(ids, *paths):
        assert found.argmax(axis=1).tolist() == list(range(7))


@pytest.mark.parametrize(("column", "value"), [("lesion_id", "HAM_9"), ("dx", "mel")])
def test_lesions_and_diagnoses_of_the_split_are_those_of_the_metadata(column, value):
    ids = [f"ISIC_{number:07d}" for number in range(10)]
    metadata = pd.DataFrame({"image_id": ids, "lesion_id": "HAM_1", "dx": "nv"})
    assert of_split(metadata.iloc[::-1], metadata) == []
    split = metadata.copy()
    split.loc[3, column] = value
    (line,) = of_split(split, metadata)
    assert line.startswith(f"{column} of ISIC_0000003 is {value} in split.csv, but ")
    assert "not of the images" in of_split(split.iloc[1:], metadata)[0]


def test_counts_of_the_fingerprint_are_those_of_the_metadata():
    index = pd.DataFrame({"lesion_id": ["a", "a", "b"], "lesion_group": ["a", "a", "b"]})
    index["dx"] = ["nv", "nv", "mel"]
    none = dict.fromkeys(CLASSES, 0)
    given = {"images": 3, "lesions": 2, "lesion_groups": 2, "sizes": {"600x450": 3}}
    given |= {"images_by_class": none | {"nv": 2, "mel": 1}}
    given |= {"lesion_groups_by_class": none | {"nv": 1, "mel": 1}}
    assert of_fingerprint(given, index) == []
    for name in ("images", "lesions", "lesion_groups", "images_by_class", "lesion_groups_by_class"):
        (line,) = of_fingerprint(given | {name: 7}, index)
        assert line.startswith(f"{name} is 7 in fingerprint.json, but ")


def swept(losses):
    """curve.csv and suggestion.json as find_lr writes them, and the parameters it had."""
    rates = np.geomspace(1e-5, 1, 50)
    sweep = Sweep.of_losses(rates, losses)
    curve = pd.DataFrame({"lr": sweep.lr, "loss": losses, "smoothed_loss": sweep.smoothed_loss})
    names = ("suggested_lr", "steepest_lr", "diverged_lr")
    given = {name: getattr(sweep, name)() for name in names}
    return curve.round(9), given, {"lowest": 1e-5, "highest": 1.0, "steps": 50}


@pytest.mark.parametrize("rows", [50, 40])
def test_the_suggested_rates_are_those_of_the_curve(rows):
    losses = (np.log10(np.geomspace(1e-5, 1, 50)) + 2) ** 2 / 9 + 1
    curve, given, ends = swept(losses[:rows])
    assert (given["diverged_lr"] is None) == (rows == 50)
    assert of_lr_range(curve, given, **ends) == []
    others = {name: [0.02, None, float(curve.lr[12])] for name in given}
    others["diverged_lr"] = [0.02]
    for name, values in others.items():
        for value in values:
            (line,) = of_lr_range(curve, given | {name: value}, **ends)
            assert line == f"{name} in lr_range/suggestion.json is not that of curve.csv"


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("lr", 0.5, "lr in lr_range/curve.csv does not rise evenly"),
        ("loss", -1.0, "loss of step 20 is -1.0 in lr_range/curve.csv; allowed is 0 or more"),
        ("loss", np.nan, "loss of step 20 is nan in lr_range/curve.csv"),
        ("loss", np.inf, "loss of step 20 is inf in lr_range/curve.csv"),
        ("loss", 1.5, "smoothed_loss of step 20 is "),
        ("smoothed_loss", 0.5, "smoothed_loss of step 20 is 0.5 in lr_range/curve.csv, but "),
    ],
)
def test_one_changed_value_of_the_curve_is_said(column, value, words):
    curve, given, ends = swept(np.linspace(2, 1, 50))
    curve.loc[20, column] = value
    (line,) = of_lr_range(curve, given, **ends)
    assert line.startswith(words)


def test_rates_of_a_history_are_the_last_of_each_epoch():
    averaging = {"schedule": "cosine", "warmup": 0.25, "ema": 0.9, "zoom": 0.1}
    params = {"epochs": 4, "lr": 0.01, "batch_size": 4, "train": averaging}
    assert rates_of(params, 9)[0] == 0.01  # 3 steps of 12 rise
    assert rates_of(params, 9)[3] == pytest.approx(0.01 * (1 + np.cos(np.pi * 8 / 9)) / 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epoch", 0),
        ("epoch", 1.5),
        ("lr", -0.1),
        ("train_loss", -1.0),
        ("val_loss", -5.0),
        ("val_loss", np.inf),
        ("val_accuracy", 1.2),
        ("val_balanced_accuracy", np.nan),
        ("val_macro_auc", 2.0),
        ("val_macro_auc", "good"),
    ],
)
def test_an_impossible_value_of_the_history_is_refused(tmp_path, files, name, value):
    path = tmp_path / "history.csv"
    history = files["history"].astype(object)
    history.to_csv(path, index=False)
    assert len(read_history(path)) == 3
    history.loc[1, name] = value
    history.to_csv(path, index=False)
    with pytest.raises(InputError, match=rf"history.csv: row 2: {name} is .*; allowed is "):
        read_history(path)
    history.drop(columns=name).to_csv(path, index=False)
    with pytest.raises(InputError, match=f"column {name} is missing"):
        read_history(path)


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
    answered = change(ids)
    paths = tmp_path / "predictions.csv", tmp_path / "predictions_natural.csv"
    for path in paths:
        write_predictions(path, answered, np.full((len(answered), 7), 1 / 7))
    with pytest.raises(InputError, match=words):
        answers_to(ids, *paths)


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
    path.write_text(json.dumps({"macro_auc": 2, "temperature": 1.5}))
    with pytest.raises(InputError, match="macro_auc is 2; allowed is 0 to 1"):
        read_metrics(path)
