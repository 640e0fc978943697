import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.metrics import (
    BALANCED_METRICS,
    NATURAL_METRICS,
    headline_metrics,
    majority_baseline,
    per_class_table,
    reliability_table,
)


def certain(answers):
    """Probabilities that give 0.94 to the answer and 0.01 to each other class."""
    return np.full((len(answers), 7), 0.01) + 0.93 * np.eye(7)[answers]


def test_every_metric_is_scikit_learns(drawn):
    found = headline_metrics(drawn.labels, drawn.balanced, drawn.natural)
    labels, balanced, natural = drawn.labels, drawn.balanced, drawn.natural
    b, n = balanced.argmax(axis=1), natural.argmax(axis=1)
    weighted = {"average": "weighted", "zero_division": 0}
    expected = {
        "balanced_accuracy": sk.balanced_accuracy_score(labels, b),
        "balanced_accuracy_natural_rule": sk.balanced_accuracy_score(labels, n),
        "macro_f1": sk.f1_score(labels, b, average="macro"),
        "macro_auc": sk.roc_auc_score(labels, balanced, multi_class="ovr"),
        "macro_auc_natural_rule": sk.roc_auc_score(labels, natural, multi_class="ovr"),
        "accuracy": sk.accuracy_score(labels, n),
        "accuracy_balanced_rule": sk.accuracy_score(labels, b),
        "weighted_precision": sk.precision_score(labels, n, **weighted),
        "weighted_recall": sk.recall_score(labels, n, **weighted),
        "weighted_f1": sk.f1_score(labels, n, **weighted),
        "mcc": sk.matthews_corrcoef(labels, n),
        "log_loss": sk.log_loss(labels, natural),
        "brier": np.mean(np.sum((natural - np.eye(7)[labels]) ** 2, axis=1)),
    }
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, abs=1e-12), name
    assert found["accuracy"] != found["accuracy_balanced_rule"]


def test_a_hand_computed_case():
    # Four nevi, one answered melanoma; two melanomas, one answered nevus; one df, answered df.
    labels = [1, 1, 1, 1, 0, 0, 5]
    answers = [1, 1, 1, 0, 0, 1, 5]
    found = headline_metrics(labels, certain(answers), certain(answers))
    assert found["balanced_accuracy"] == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert found["accuracy"] == pytest.approx(5 / 7)
    assert found["macro_f1"] == pytest.approx((3 / 4 + 1 / 2 + 1) / 3)
    assert found["weighted_precision"] == pytest.approx((4 * 3 / 4 + 2 * 1 / 2 + 1 * 1) / 7)
    assert found["weighted_recall"] == found["accuracy"]
    assert found["ece"] == pytest.approx(abs(5 / 7 - 0.94))
    assert found["brier"] == pytest.approx(
        (5 * (0.06**2 + 6 * 0.01**2) + 2 * (0.94**2 + 0.99**2 + 5 * 0.01**2)) / 7
    )
    assert found["log_loss"] == pytest.approx(-(5 * np.log(0.94) + 2 * np.log(0.01)) / 7)
    assert found["majority_accuracy"] == pytest.approx(4 / 7)
    assert found["majority_balanced_accuracy"] == pytest.approx(1 / 3)


def test_ece_of_two_bins_by_hand():
    # Bin (0.4, 0.467]: confidence 0.46, one of two right. Bin (0.933, 1]: 0.94, both right.
    unsure = np.array([0.46, 0.09, 0.09, 0.09, 0.09, 0.09, 0.09])
    probabilities = np.array([unsure, unsure, *certain([2, 3])])
    found = headline_metrics([0, 1, 2, 3], probabilities, probabilities)
    assert found["ece"] == pytest.approx((2 * abs(0.5 - 0.46) + 2 * abs(1 - 0.94)) / 4)
    table = reliability_table(np.array([0, 1, 2, 3]), probabilities)
    assert table["n"].tolist() == [2, 2]
    assert table["accuracy"].tolist() == [0.5, 1.0]


def test_each_name_is_of_the_rule_it_says(drawn):
    both = headline_metrics(drawn.labels, drawn.balanced, drawn.natural)
    swapped = headline_metrics(drawn.labels, drawn.natural, drawn.balanced)
    for name in BALANCED_METRICS:
        assert both[name] == swapped[f"{name}_natural_rule"]
    for name in NATURAL_METRICS:
        assert both[name] == swapped[f"{name}_balanced_rule"]


@settings(max_examples=6)
@given(st.integers(0, 1000))
def test_the_order_of_images_does_not_matter(draw, seed):
    drawn = draw(lesions=30, seed=seed)
    order = np.random.default_rng(seed).permutation(len(drawn.labels))
    one = headline_metrics(drawn.labels, drawn.balanced, drawn.natural)
    other = headline_metrics(drawn.labels[order], drawn.balanced[order], drawn.natural[order])
    for name, value in one.items():
        assert other[name] == pytest.approx(value, abs=1e-12), name


def test_always_the_commonest_class_is_the_majority_baseline(drawn):
    nevus = certain(np.ones(len(drawn.labels), dtype=int))
    found = headline_metrics(drawn.labels, nevus, nevus)
    assert found["accuracy"] == found["majority_accuracy"]
    assert found["balanced_accuracy"] == pytest.approx(found["majority_balanced_accuracy"])
    assert found["macro_auc"] == 0.5
    assert found["mcc"] == 0.0


def test_a_class_absent_from_the_test_set_is_left_out_of_the_means(recwarn):
    labels = [0, 0, 1, 1]
    answers = [0, 6, 1, 1]
    found = headline_metrics(labels, certain(answers), certain(answers))
    assert found["balanced_accuracy"] == pytest.approx(3 / 4)
    assert found["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["macro_auc"] == pytest.approx((0.75 + 1) / 2)
    assert all(np.isfinite(value) for value in found.values())
    assert not recwarn.list


def test_one_image_has_every_metric_but_the_auc(recwarn):
    found = headline_metrics([3], certain([3]), certain([3]))
    assert found["balanced_accuracy"] == found["accuracy"] == found["macro_f1"] == 1.0
    assert found["ece"] == pytest.approx(0.06)
    missing = {name for name, value in found.items() if np.isnan(value)}
    assert missing == {"macro_auc", "macro_auc_natural_rule", "majority_macro_auc"}
    assert not recwarn.list


def test_float32_rows_are_accepted_and_rows_that_are_no_distribution_refused():
    random = np.random.default_rng(0)
    exact = random.dirichlet(np.ones(7), size=500)
    labels = random.integers(7, size=500)
    headline_metrics(labels, exact.astype(np.float32), exact.round(6))
    for factor in (0.999, 1.001):
        with pytest.raises(InputError, match="natural probabilities: row 0 sums to"):
            headline_metrics(labels, exact, exact * factor)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, "balanced probabilities: row 2, class bkl is nan"),
        (np.inf, "balanced probabilities: row 2, class bkl is inf"),
        (-0.1, "balanced probabilities: row 2, class bkl is -0.1; allowed is 0 to 1"),
        (1.5, "balanced probabilities: row 2, class bkl is 1.5; allowed is 0 to 1"),
    ],
)
def test_an_entry_that_is_no_probability_is_refused_by_name(value, message):
    labels = [0, 1, 2]
    broken = certain(labels)
    broken[2, CLASSES.index("bkl")] = value
    with pytest.raises(InputError, match=message):
        headline_metrics(labels, broken, certain(labels))
    with pytest.raises(InputError, match=message):
        per_class_table(labels, broken)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([], "labels: shape"),
        ([[0], [1]], "labels: shape"),
        ([0.0, 1.0], "labels: type float64"),
        ([0, 7], "labels: class 7; allowed are 0 to 6"),
        ([0, -1], "labels: class -1"),
        ([0, 1, 2], "2 rows; 3 images have a label"),
    ],
)
def test_labels_that_are_none_are_refused(labels, message):
    with pytest.raises(InputError, match=message):
        headline_metrics(labels, certain([0, 1]), certain([0, 1]))


def test_per_class_figures_are_scikit_learns_of_the_class_against_the_rest(drawn):
    table = per_class_table(drawn.labels, drawn.balanced)
    assert table["class"].tolist() == list(CLASSES)
    assert table["n"].sum() == len(drawn.labels)
    answers = drawn.balanced.argmax(axis=1)
    for c, row in table.iterrows():
        truth, answered, score = drawn.labels == c, answers == c, drawn.balanced[:, c]
        assert row["n"] == truth.sum()
        assert row["sensitivity"] == pytest.approx(sk.recall_score(truth, answered))
        assert row["specificity"] == pytest.approx(sk.recall_score(~truth, ~answered))
        assert row["ppv"] == pytest.approx(sk.precision_score(truth, answered))
        assert row["npv"] == pytest.approx(sk.precision_score(~truth, ~answered))
        assert row["f1"] == pytest.approx(sk.f1_score(truth, answered))
        assert row["auc"] == pytest.approx(sk.roc_auc_score(truth, score))
        assert row["average_precision"] == pytest.approx(sk.average_precision_score(truth, score))


def test_per_class_figures_that_do_not_exist_are_nan(recwarn):
    table = per_class_table([0, 0, 1], certain([0, 0, 0])).set_index("class")
    assert np.isnan(table.loc["nv", "ppv"])
    assert table.loc["nv", "sensitivity"] == table.loc["nv", "f1"] == 0
    assert table.loc["df", "specificity"] == table.loc["df", "npv"] == 1
    assert table.loc["df", ["sensitivity", "ppv", "f1", "auc", "average_precision"]].isna().all()
    alone = per_class_table([2], certain([2])).set_index("class")
    assert alone.loc["bcc", "sensitivity"] == 1
    assert alone.loc["bcc", ["specificity", "npv", "auc"]].isna().all()
    assert not recwarn.list


def test_the_baseline_of_ham10000():
    images = [1113, 6705, 514, 327, 1099, 115, 142]
    baseline = majority_baseline(np.repeat(np.arange(7), images))
    assert baseline["majority_accuracy"] == pytest.approx(0.669, abs=5e-4)
    assert baseline["majority_balanced_accuracy"] == pytest.approx(1 / 7)
