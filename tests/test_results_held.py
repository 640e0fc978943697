"""Figures in results/ are what the kept answers give, and a falsified one is not."""

import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from harmonic.data.folds import split_fold

from benchmarks.compression.page import over_seeds, scored
from benchmarks.grid.table import read_runs as read_table
from benchmarks.post_protocol.page import chosen_epochs, codes, mean_recall
from harmonic.data.classes import CLASSES
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.data.split import split_groups
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers, answers_from
from harmonic.evaluation.contradictions import contradictions, determined
from harmonic.evaluation.figures import checked_figure
from harmonic.evaluation.predictions import KEPT_ROUNDING

RESULTS = Path(__file__).parents[1] / "results"
FOLDS = ("1c7c55aa07d5", "e64e0b7a6602", "1ab08a0490e9", "ec70c331d91b", "469adb6918a5")
"""Digests of the data of the five folds, in their order; their test sets are the whole data set."""
RUNS = pd.read_csv(RESULTS / "runs.csv", dtype={"data": str})
ANSWERED = RUNS[RUNS.predictions.notna()]
SPLIT = {"val": 0.15, "seed": 0}
SHARES = {"train": 1 - 0.15 - 0.2, "val": 0.15, "test": 0.2}


@cache
def truth_of(data: str) -> pd.DataFrame:
    return pd.read_csv(RESULTS / "predictions" / f"{data}.csv.gz")


@cache
def training_counts(data: str) -> tuple[int, ...]:
    """Training images of each class: the split made again, and the same test set as was kept."""
    whole = pd.concat([truth_of(fold) for fold in FOLDS]).sort_values("image")
    groups = lesion_groups(whole.image.tolist(), whole.lesion_id, known_pairs())
    dx = whole.dx.to_numpy(str)
    if data in FOLDS:
        sets = split_fold(split_groups, groups, dx, folds=5, fold=FOLDS.index(data), **SPLIT)
    else:
        sets = split_groups(groups, dx, SHARES, SPLIT["seed"])
    assert set(whole.image[sets == "test"]) == set(truth_of(data).image)
    return tuple(int(((sets == "train") & (dx == name)).sum()) for name in CLASSES)


def figures_of(row: pd.Series) -> dict[str, float]:
    return {
        name: float(value)
        for name, value in row.items()
        if isinstance(value, int | float) and not pd.isna(value)
    }


@cache
def answers_of(predictions: str, data: str) -> Answers:
    return answers_from(pd.read_csv(RESULTS / predictions), truth_of(data), None, predictions)


def found_in(row: pd.Series, change: dict[str, float] | None = None) -> list[str]:
    figures = figures_of(row)
    for name, amount in (change or {}).items():
        figures[name] += amount
    return contradictions(figures, answers_of(row.predictions, row.data), training_counts(row.data))


def test_every_answered_run_of_the_table_has_the_figures_of_its_answers():
    assert len(ANSWERED) > 50
    for _, row in ANSWERED.iterrows():
        assert found_in(row) == [], f"{row.preset} {row.arm} seed {row.seed}"


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("accuracy", 0.10),
        ("weighted_precision", 0.10),
        ("weighted_recall", 0.01),
        ("macro_auc", 0.05),
        ("macro_auc_natural_rule", 0.01),
        ("macro_f1", 0.2),
        ("ece", -0.02),
        ("ece_balanced_rule", -0.02),
        ("ece_uncalibrated", -0.02),
        ("balanced_accuracy", 0.0098),
        ("balanced_accuracy_natural_rule", 0.01),
        ("accuracy_balanced_rule", 0.005),
        ("lesion_balanced_accuracy", 0.01),
        ("lesion_accuracy", 0.005),
        ("melanoma_auc", 0.005),
        ("mcc", 0.01),
        ("brier", -0.005),
        ("log_loss", -0.02),
        ("majority_accuracy", 0.001),
        ("test_images", 1),
        ("test_lesions", -1),
    ],
)
def test_a_falsified_figure_of_a_run_is_named(name, amount):
    rows = ANSWERED[(ANSWERED.preset == "small") & (ANSWERED.arm == "harmonic")]
    five = rows[rows.fold.isna()]
    assert len(five) == 5
    for _, row in five.iterrows():
        (line,) = found_in(row, {name: amount})
        assert line.startswith(f"{name} is ")


def test_nearly_every_figure_of_a_run_is_determined():
    """All but the operating points, whose thresholds are from validation answers not kept."""
    row = ANSWERED.iloc[0]
    answers = answers_of(row.predictions, row.data)
    held = determined(answers, training_counts(row.data), row.temperature, KEPT_ROUNDING)
    columns = list(RUNS.columns)
    first, last = columns.index("accuracy"), columns.index("weighted_recall_balanced_rule")
    open_ones = {name for name in columns[first : last + 1] if name not in held}
    assert {name for name in open_ones if "_at_" not in name} == {"temperature"}
    wide = {name for name, (low, high) in held.items() if high - low > 0.02}
    assert wide <= {"log_loss", "log_loss_balanced_rule", "log_loss_uncalibrated"}


def test_no_impossible_figure_stands_in_any_table():
    for path in RESULTS.glob("*.csv"):
        for number, row in pd.read_csv(path).iterrows():
            for name, value in figures_of(row).items():
                checked_figure(name, value, f"{path.name}: row {number}")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("macro_auc", 2),
        ("ece", -1),
        ("accuracy", 1.3),
        ("log_loss_balanced_rule", -0.1),
        ("majority_brier", 2.1),
        ("lesion_balanced_accuracy_low", -0.1),
        ("melanoma_sensitivity_at_90", 1.01),
        ("mcc", -1.1),
        ("test_images", 0),
    ],
)
def test_impossible_figures_are_refused(name, value):
    with pytest.raises(InputError, match=f"there: {name} is {value:g}; allowed is "):
        checked_figure(name, value, "there")


def test_the_leak_has_the_figures_of_its_answers():
    rows = pd.read_csv(RESULTS / "leak.csv")
    for _, row in rows.iterrows():
        truth = pd.read_csv(RESULTS / "predictions" / f"leak-{row.study}" / "truth.csv.gz")
        answers = answers_from(pd.read_csv(RESULTS / row.predictions), truth, None, row.predictions)
        figures = figures_of(row)
        named = ("balanced_accuracy", "macro_f1", "macro_auc", "accuracy_balanced_rule")
        assert contradictions(figures, answers) == []
        for name in named:
            assert contradictions(figures | {name: figures[name] + 0.01}, answers)


def test_the_protocol_has_the_figures_of_its_answers():
    """Of the epochs chosen; of the others no answers are kept."""
    chosen = chosen_epochs(pd.read_csv(RESULTS / "post_protocol.csv"))
    assert len(chosen) >= 2
    for row in chosen.itertuples():
        answers = pd.read_csv(RESULTS / str(row.predictions))
        for part in ("seen", "sibling", "unseen"):
            rows = answers[(answers.part == part)]
            once = np.ones((1, len(rows)))
            (value,) = mean_recall(codes(rows.dx), codes(rows.answer), once)
            assert getattr(row, part) == pytest.approx(value, abs=1e-5), (row.draw, part)
        drawn = answers[answers.in_test == 1]
        of_class = (drawn.dx == drawn.answer).groupby(drawn.dx).mean()
        # Images are drawn anew with equal class frequencies, about as many as the draw has.
        error = np.sqrt(of_class.mean() * (1 - of_class.mean()) / len(drawn))
        assert abs(row.precision - of_class.mean()) < 4 * error
        assert row.precision == row.recall


def test_smaller_files_have_the_accuracy_of_their_answers():
    """Every column that no resampling makes."""
    made = over_seeds(scored(read_table(RESULTS / "runs.csv"), "small", RESULTS, 1))
    table = pd.read_csv(RESULTS / "compression.csv", keep_default_na=False)
    assert len(table) == len(made)
    for column in ("model", "weights", "when", "seeds", "bytes", "parameters", "change_seeds"):
        assert table[column].tolist() == made[column].tolist()
    for column in ("share", "balanced_accuracy", "change"):
        assert table[column].tolist() == pytest.approx(made[column].tolist(), abs=1e-4)


def test_runs_kept_without_answers_agree_with_themselves():
    """Nothing recomputes these, but what must hold between their figures does."""
    for path in RESULTS.glob("*-64px.json"):
        metrics = json.loads(path.read_text(encoding="utf-8"))["metrics"]
        for name, value in metrics.items():
            checked_figure(name, value, path.name)
            if f"{name}_low" in metrics:
                assert metrics[f"{name}_low"] <= value <= metrics[f"{name}_high"], name
        for rule in ("", "_balanced_rule"):
            assert metrics[f"accuracy{rule}"] == metrics[f"weighted_recall{rule}"]
