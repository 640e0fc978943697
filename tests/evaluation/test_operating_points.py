"""Thresholds come from validation alone; figures are what the test set then says."""

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import per_class_document, resampled_weights
from harmonic.evaluation.operating_points import (
    TARGETS,
    operating_metrics,
    operating_points,
    threshold_for,
)
from harmonic.evaluation.subgroups import FEWEST, subgroup_table


def drawn_answers(test, resamples):
    """Answers of a drawn test set, and the weights of its resamples."""
    answers = Answers(*test)
    weights = resampled_weights(answers.labels, answers.lesions, resamples=resamples, seed=0)
    return answers, weights


@pytest.fixture(scope="module")
def points(draw):
    val, test = draw(lesions=400, seed=1), draw(lesions=300, seed=2)
    table = operating_points(val.labels, val.balanced, *drawn_answers(test, 200))
    return val, test, table


def test_a_threshold_by_hand():
    scores = np.array([0.9, 0.1, 0.3, 0.2, 0.5, 0.4, 0.6, 0.8, 0.7, 0.0])
    assert threshold_for(scores, 0.9) == 0.8
    assert threshold_for(scores, 0.95) == 0.9
    assert threshold_for(scores, 0.1) == 0.0
    with pytest.raises(InputError, match="specificity 0"):
        threshold_for(scores, 0)


def test_the_threshold_keeps_the_specificity_on_validation_and_no_lower_one_does(points):
    val, _, table = points
    for row in table.itertuples():
        classes = [CLASSES.index(name) for name in TARGETS[row.target]]
        score = val.balanced[:, classes].sum(axis=1)[~np.isin(val.labels, classes)]
        assert (score <= row.threshold + 1e-6).mean() >= row.wanted_specificity
        below = score[score < row.threshold - 1e-6].max()
        assert (score <= below).mean() < row.wanted_specificity


def test_the_figures_are_scikit_learns_on_the_test_set(points):
    _, test, table = points
    for row in table.itertuples():
        classes = [CLASSES.index(name) for name in TARGETS[row.target]]
        truth = np.isin(test.labels, classes)
        score = test.balanced[:, classes].sum(axis=1)
        alarm = score > row.threshold
        assert row.positives == truth.sum()
        assert row.sensitivity == pytest.approx(sk.recall_score(truth, alarm), abs=1e-4)
        assert row.specificity == pytest.approx(sk.recall_score(~truth, ~alarm), abs=1e-4)
        assert row.ppv == pytest.approx(sk.precision_score(truth, alarm), abs=1e-4)
        assert row.npv == pytest.approx(sk.precision_score(~truth, ~alarm), abs=1e-4)
        assert row.auc == pytest.approx(sk.roc_auc_score(truth, score), abs=1e-4)
        for name in ("sensitivity", "specificity", "auc"):
            assert getattr(row, f"{name}_low") <= getattr(row, name) <= getattr(row, f"{name}_high")
    flat = operating_metrics(table)
    assert flat["melanoma_sensitivity_at_95"] == table.sensitivity[1]
    assert flat["malignant_auc_low"] == table.auc_low[2]


def test_a_test_set_without_melanoma_has_no_point_for_it(draw):
    val, test = draw(lesions=60, seed=1), draw(lesions=60, seed=2)
    rest = test.labels != 0
    of_test = drawn_answers([part[rest] for part in test], 20)
    table = operating_points(val.labels, val.balanced, *of_test)
    assert set(table.target) == {"malignant"}


def test_every_figure_of_a_class_has_an_interval_around_it(drawn):
    table = per_class_document(*drawn_answers(drawn, 200)).set_index("class")
    for name in ("sensitivity", "specificity", "npv", "f1", "auc", "average_precision"):
        assert table[f"{name}_low"].notna().any(), name
        assert (table[f"{name}_low"] <= table[name]).all(), name
        assert (table[name] <= table[f"{name}_high"]).all(), name
    assert table.loc["nv", "sensitivity_high"] - table.loc["nv", "sensitivity_low"] < 0.2


def test_a_class_without_images_has_no_interval(recwarn):
    sure = 0.94 * np.eye(7) + 0.01 * (1 - np.eye(7))
    table = per_class_document(*drawn_answers(([0, 1], ["a", "b"], sure[[0, 1]]), 5))
    missing = table.set_index("class").loc["df"]
    assert missing[["sensitivity", "sensitivity_low", "auc_high"]].isna().all()
    assert missing["specificity"] == 1
    assert not recwarn.list


def test_resamples_that_all_agree_tell_no_interval(drawn):
    """All found of a dozen is not "1.00 [1.00, 1.00]"."""
    sure = 0.94 * np.eye(7) + 0.01 * (1 - np.eye(7))
    test = (drawn.labels, drawn.lesions, sure[drawn.labels])
    table = per_class_document(*drawn_answers(test, 50))
    assert (table.sensitivity == 1).all()
    assert (
        table[["sensitivity_low", "sensitivity_high", "auc_low", "f1_high"]].isna().all(axis=None)
    )


def test_subgroups_claim_nothing_under_twenty_images(drawn):
    count = len(drawn.labels)
    few = np.where(np.arange(count) < FEWEST - 1, "ear", "back")
    index = pd.DataFrame(
        {
            "sex": np.where(np.arange(count) % 2, "female", ""),
            "age": np.where(np.arange(count) % 3, "45.0", ""),
            "localization": few,
            "dx_type": "histo",
        }
    )
    table = subgroup_table(index, Answers(*drawn), resamples=50, seed=0)
    by_value = table.set_index(["column", "value"])
    assert np.isnan(by_value.loc[("localization", "ear"), "balanced_accuracy"])
    assert by_value.loc[("localization", "ear"), "images"] == FEWEST - 1
    assert by_value.loc[("age", "45–59"), "images"] == np.count_nonzero(np.arange(count) % 3)
    assert ("sex", "unknown") in by_value.index
    whole = by_value.loc[("dx_type", "histo")]
    answer = drawn.balanced.argmax(axis=1)
    expected = sk.balanced_accuracy_score(drawn.labels, answer)
    assert whole["balanced_accuracy"] == pytest.approx(expected, abs=1e-4)
    assert whole["balanced_accuracy_low"] < expected < whole["balanced_accuracy_high"]
    assert table.groupby("column").images.sum().eq(count).all()
    with pytest.raises(InputError, match="dx_type"):
        subgroup_table(index.drop(columns="dx_type"), Answers(*drawn), resamples=5, seed=0)
