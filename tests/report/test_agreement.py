"""The files of one run agree; of two runs, or edited, they do not, and the report says so."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.data.integrity import counts
from harmonic.data.metadata import read_metadata
from harmonic.data.verification import verified
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.metrics import headline_metrics
from harmonic.evaluation.rules import decision_rules
from harmonic.evaluation.scores import scores_of
from harmonic.images.resize import resize
from harmonic.learning.sweep import Sweep
from harmonic.report.agreement import (
    differing,
    of_answers,
    of_fingerprint,
    of_hair_pairs,
    of_history,
    of_lr_range,
    of_scores,
    of_split,
)
from harmonic.report.contents import HairPair
from harmonic.report.doubts import rates_of
from harmonic.report.files import CURVE_COLUMNS, HISTORY_COLUMNS, read_steps
from harmonic.report.render import draw_figures, render_card, render_report
from tests.data import archives
from tests.evaluation.conftest import CLASS_COUNTS

RATES = [0.001, 0.0005, 0.0]


@pytest.fixture(scope="module")
def answers(draw):
    test = draw()
    ids = [f"ISIC_{number:07d}" for number in range(len(test.labels))]
    counts = tuple(CLASS_COUNTS.tolist())
    return Answers(*test, image_ids=np.array(ids), class_counts=counts)


@pytest.fixture(scope="module")
def score(draw, answers):
    """What evaluate makes of some answers to these images."""
    val, random, images = draw(lesions=150, seed=1), np.random.default_rng(0), len(answers.labels)
    index = pd.DataFrame(
        {
            "sex": random.choice(["male", "female", "unknown"], images),
            "age": random.integers(20, 90, images).astype(float),
            "localization": random.choice(["back", "face"], images),
            "dx_type": random.choice(["histo", "follow_up"], images),
        }
    )

    def made(answers, **more):
        of = {"temperature": 1.0, "resamples": 20, "seed": 0, "index": index}
        return scores_of(answers, val.labels, val.balanced, **of, **more)

    return made


@pytest.fixture(scope="module")
def files(answers, score, tmp_path_factory):
    """What evaluate would have written, read as the report reads it."""
    folder, made = tmp_path_factory.mktemp("files"), score(answers)
    tables = {}
    for name, table in made.tables.items():
        table.to_csv(folder / name, index=False)
        tables[name] = pd.read_csv(folder / name, dtype={"value": str})
    return made.figures, tables


def test_the_files_of_a_run_agree(answers, score, files):
    assert of_scores(*files, score(answers)) == []


def test_every_changed_figure_of_metrics_json_is_named(files):
    made = dict(files[0])
    for name, value in made.items():
        (line,) = differing("metrics.json", made | {name: value + 0.001}, made, 1.01e-4)
        assert line.startswith(f"{name} is ")
    left_out = {name: value for name, value in made.items() if name != "ece_low"}
    assert differing("metrics.json", left_out, made) == ["ece_low is missing in metrics.json"]
    (line,) = differing("metrics.json", made | {"beauty": 1.0}, made)
    assert line == "beauty in metrics.json is nothing that this run has"
    lines = differing("metrics.json", {name: value + 0.01 for name, value in made.items()}, made)
    assert len(lines) == 5
    assert lines[-1] == f"{len(made) - 4} more values of metrics.json"


@pytest.mark.parametrize("name", ["per_class", "operating_points", "subgroups"])
def test_every_changed_cell_of_a_table_is_named(answers, score, files, name):
    (metrics, tables), made = files, score(answers)
    table = tables[name]
    for column in table.columns[1 if name == "per_class" else 2 :]:
        row = int(table[column].first_valid_index())
        changed = table.copy()
        changed[column] = changed[column].astype(float)
        changed.loc[row, column] += 0.01
        (line,) = of_scores(metrics, tables | {name: changed}, made)
        assert line.startswith(f"{column} of ")
        assert f"in {name}.csv, but " in line
    twice = pd.concat([table, table.iloc[:1]])
    for spoilt in (table.iloc[1:], table.drop(columns=table.columns[-1]), twice):
        lines = of_scores(metrics, tables | {name: spoilt}, made)
        assert lines
        assert all(f"{name}.csv" in line for line in lines)


def test_a_threshold_of_another_machine_is_as_good(answers, score):
    made = score(answers).tables["operating_points"]
    keys = list(zip(made.target, made.wanted_specificity, strict=True))
    for away, taken in ((5e-4, True), (5e-3, False)):
        given = dict(zip(keys, made.threshold + away, strict=True))
        found = score(answers, thresholds=given).tables["operating_points"].threshold
        assert np.allclose(found, made.threshold + away * taken, atol=1e-6)


def test_one_changed_prediction_is_noticed_on_page_and_card(answers, score, files, contents):
    balanced = answers.balanced.copy()
    wrong = (answers.labels[0] + 1) % len(CLASSES)
    balanced[0] = 0.99 * np.eye(len(CLASSES))[wrong] + 0.01 / len(CLASSES)
    doubts = of_scores(*files, score(replace(answers, balanced=balanced)))
    assert any(line.startswith("balanced_accuracy is ") for line in doubts)
    figures = draw_figures(contents)
    doubtful = replace(contents, doubts=doubts)
    assert doubts[0] in render_report(doubtful, figures)
    assert doubts[0] in render_card(doubtful)
    assert "do not fit together" not in render_report(contents, figures)


def test_answers_that_were_not_made_are_noticed(answers):
    """Those of the natural rule not from the balanced one, or of another network; not rounding."""
    again = replace(answers, natural=None).by_natural_rule()
    assert of_answers("natural.csv", answers, answers.natural, again, 1e-6) == []
    changed = answers.natural.copy()
    changed[3] = np.roll(changed[3], 1)
    lines = of_answers("natural.csv", answers, changed, again, 1e-6)
    assert lines[0].startswith("MEL of ISIC_0000003 is ")
    assert of_answers("natural.csv", answers, changed, again + 1e-4, 1) == []


@pytest.fixture(scope="module")
def trained(draw):
    """A history, and the rest of what `of_history` is told."""
    val = draw(lesions=150, seed=1)
    logits = (
        np.random.default_rng(0).normal(size=(len(val.labels), 7)) + 2.5 * np.eye(7)[val.labels]
    )
    rows, _ = decision_rules(logits, CLASS_COUNTS, imbalance="logit_adjustment", temperature=1.0)
    scores = headline_metrics(val.labels, rows, rows)
    history = pd.DataFrame({"epoch": [1, 2, 3], "train_loss": 1.0, "val_loss": 1.0, "lr": RATES})
    for name in ("balanced_accuracy", "accuracy", "macro_auc"):
        history[f"val_{name}"] = [scores[name] - 0.1, scores[name], scores[name] - 0.05]
    return history, (RATES, 2, val.labels, rows, 1.0)


@pytest.mark.parametrize(
    ("row", "column", "value", "words"),
    [
        (1, "val_balanced_accuracy", 0.999, "val_balanced_accuracy of 2 is 0.999"),
        (1, "val_loss", 0.2, "val_loss of 2 is 0.2 in history.csv, but "),
        (1, "val_macro_auc", 0.999, "val_macro_auc of 2 is 0.999 in history.csv"),
        (0, "val_balanced_accuracy", 0.999, "the best epoch is 1 in history.csv, but 2 "),
        (1, "lr", 0.0006, "lr of 2 is 0.0006 in history.csv, but 0.0005 "),
        (0, "epoch", 7, "lr of 7 in history.csv is nothing that this run has"),
    ],
)
def test_one_changed_value_of_the_history_is_said(trained, row, column, value, words):
    history, others = trained
    assert of_history(history, *others) == []
    changed = history.copy()
    changed.loc[row, column] = value
    assert any(line.startswith(words) for line in of_history(changed, *others))
    assert "number of rows is 2 " in of_history(history.iloc[:2], *others)[0]


@pytest.mark.parametrize(("column", "value"), [("lesion_id", "HAM_9"), ("dx", "mel")])
def test_lesions_and_diagnoses_of_the_split_are_those_of_the_metadata(column, value):
    ids = [f"ISIC_{number:07d}" for number in range(10)]
    metadata = pd.DataFrame({"image_id": ids, "lesion_id": "HAM_1", "dx": "nv"})
    assert of_split(metadata.iloc[::-1], metadata) == []
    split = metadata.copy()
    split.loc[3, column] = value
    (line,) = of_split(split, metadata)
    assert line.startswith(f"{column} of ISIC_0000003 is {value} in split.csv, but ")
    assert "lesion_id of ISIC_0000000 is missing in split.csv" in of_split(split.iloc[1:], metadata)


def test_the_fingerprint_is_that_of_the_photographs_and_their_metadata(tmp_path):
    for name, content in archives.images().items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "metadata.csv").write_text(archives.metadata(), encoding="utf-8")
    metadata = read_metadata(tmp_path / "metadata.csv")
    metadata["lesion_group"] = metadata.lesion_id
    photographs = [tmp_path / f"{one}.jpg" for one in metadata.image_id]
    given = verified(metadata, tmp_path, "images").fingerprint
    assert of_fingerprint(given, metadata, photographs) == []
    for name in (*counts(metadata), "sha256_of_all_images"):
        (line,) = of_fingerprint(given | {name: 77}, metadata, photographs)
        assert line.startswith(f"{name} is 77 in fingerprint.json, but ")
    assert of_fingerprint({}, metadata, photographs)
    other = given | verified(metadata, tmp_path, "images").fingerprint
    photographs[0].write_bytes(photographs[0].read_bytes() + b"recompressed")
    (line,) = of_fingerprint(other, metadata, photographs)
    assert line.startswith("sha256_of_all_images")


@pytest.mark.parametrize("aspect", ["squash", "pad"])
def test_a_picture_without_hair_of_another_run_is_noticed(aspect):
    random = np.random.default_rng(0)
    pictures = [np.kron(random.integers(0, 255, (9, 12, 3)), np.ones((8, 8, 1))) for _ in range(3)]
    pictures = [picture.astype(np.uint8) for picture in pictures]
    images = np.stack([resize(picture, 28, aspect) for picture in pictures])
    ids, some = np.array(["a", "b", "c"]), np.zeros(3, dtype=np.int64)
    data = LabelledImages(ids, images, some, ids, np.array(["train"] * 3))
    pairs = [
        HairPair(name, picture, picture)
        for name, picture in zip("cab", np.roll(pictures, 1, axis=0), strict=True)
    ]
    assert of_hair_pairs(pairs, data, aspect) == []
    flat = replace(pairs[1], after=np.full_like(pictures[0], 180))
    (line,) = of_hair_pairs([pairs[0], flat, pairs[2]], data, aspect)
    assert line.startswith("the picture of a without hair")


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
    assert "number of rows is 9 " in of_lr_range(curve.iloc[:9], given, **ends)[0]
    others = {name: [0.02, None, float(curve.lr[12])] for name in given}
    others["diverged_lr"] = [0.02]
    for name, values in others.items():
        for value in values:
            (line,) = of_lr_range(curve, given | {name: value}, **ends)
            assert line.startswith(f"{name} is {value} in lr_range/suggestion.json, but ") or value


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("lr", 0.5, "lr of 20 is 0.5 in lr_range/curve.csv, but "),
        ("loss", 1.5, "smoothed_loss of 20 is "),
        ("smoothed_loss", 0.5, "smoothed_loss of 20 is 0.5 in lr_range/curve.csv, but "),
    ],
)
def test_one_changed_value_of_the_curve_is_said(column, value, words):
    curve, given, ends = swept(np.linspace(2, 1, 50))
    curve.loc[20, column] = value
    assert of_lr_range(curve, given, **ends)[0].startswith(words)


def test_rates_of_a_history_are_the_last_of_each_epoch():
    averaging = {"schedule": "cosine", "warmup": 0.25, "ema": 0.9, "zoom": 0.1}
    params = {"epochs": 4, "lr": 0.01, "batch_size": 4, "train": averaging}
    assert rates_of(params, 9)[0] == 0.01  # 3 steps of 12 rise
    assert rates_of(params, 9)[3] == pytest.approx(0.01 * (1 + np.cos(np.pi * 8 / 9)) / 2)


@pytest.mark.parametrize(
    ("columns", "name", "value"),
    [
        (HISTORY_COLUMNS, "epoch", 0),
        (HISTORY_COLUMNS, "epoch", 1.5),
        (HISTORY_COLUMNS, "lr", -0.1),
        (HISTORY_COLUMNS, "train_loss", -1.0),
        (HISTORY_COLUMNS, "val_loss", -5.0),
        (HISTORY_COLUMNS, "val_loss", np.inf),
        (HISTORY_COLUMNS, "val_accuracy", 1.2),
        (HISTORY_COLUMNS, "val_balanced_accuracy", np.nan),
        (HISTORY_COLUMNS, "val_macro_auc", 2.0),
        (HISTORY_COLUMNS, "val_macro_auc", "good"),
        (CURVE_COLUMNS, "loss", -1.0),
        (CURVE_COLUMNS, "loss", np.nan),
        (CURVE_COLUMNS, "smoothed_loss", np.inf),
    ],
)
def test_an_impossible_value_of_a_step_is_refused(tmp_path, columns, name, value):
    path = tmp_path / "steps.csv"
    table = pd.DataFrame({column: [1.0, 1.0, 1.0] for column in columns}, dtype=object)
    table.to_csv(path, index=False)
    assert len(read_steps(path, columns)) == 3
    table.loc[1, name] = value
    table.to_csv(path, index=False)
    with pytest.raises(InputError, match=rf"steps.csv: row 2: {name} is .*; allowed is "):
        read_steps(path, columns)
    table.iloc[:0].to_csv(path, index=False)
    with pytest.raises(InputError, match="has no row"):
        read_steps(path, columns)
    table.drop(columns=name).to_csv(path, index=False)
    with pytest.raises(InputError, match=f"column {name} is missing"):
        read_steps(path, columns)
