import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import (
    DIGITS,
    bootstrap_intervals,
    interval_text,
    metrics_document,
    resampled_weights,
)
from harmonic.evaluation.metrics import BALANCED_METRICS, headline_metrics
from harmonic.evaluation.weighted import STATISTICS


def given_weights(of, test, resamples, seed):
    """What a function of answers and weights gives for a drawn test set."""
    answers = Answers(*test)
    weights = resampled_weights(answers.labels, answers.lesions, resamples=resamples, seed=seed)
    return of(answers, weights)


def intervals(test, resamples, seed):
    return given_weights(bootstrap_intervals, test, resamples, seed)


def document_of(test, resamples, seed):
    return given_weights(metrics_document, test, resamples, seed)


def test_weighted_metrics_are_those_of_repeated_images(draw):
    drawn = draw(lesions=60, seed=1)
    # Equal scores must count as half a pair, so make some: two decimals, rows still sum to one.
    balanced = drawn.balanced.round(2)
    balanced /= balanced.sum(axis=1, keepdims=True)
    weights = resampled_weights(drawn.labels, drawn.lesions, resamples=8, seed=2)
    found = {
        name: statistic(
            drawn.labels, balanced if name in BALANCED_METRICS else drawn.natural, weights
        )
        for name, statistic in STATISTICS.items()
    }
    for b, counts in enumerate(weights.astype(int)):
        images = np.repeat(np.arange(len(drawn.labels)), counts)
        expected = headline_metrics(drawn.labels[images], balanced[images], drawn.natural[images])
        for name in STATISTICS:
            assert found[name][b] == pytest.approx(expected[name], abs=1e-10), name


def test_lesions_are_drawn_whole_and_as_many_of_each_class_as_there_are(drawn):
    weights = resampled_weights(drawn.labels, drawn.lesions, resamples=50, seed=0)
    assert np.all(weights == np.round(weights))
    names, first, lesion = np.unique(drawn.lesions, return_index=True, return_inverse=True)
    assert np.array_equal(weights, weights[:, first][:, lesion])
    for c in range(7):
        of_class = first[drawn.labels[first] == c]
        assert np.all(weights[:, of_class].sum(axis=1) == len(of_class))
    assert weights[:, first].sum() == 50 * len(names)
    # Drawing with replacement leaves out a share of about 1/e of a large class.
    nevi = first[drawn.labels[first] == 1]
    assert np.mean(weights[:, nevi] == 0) == pytest.approx(np.exp(-1), abs=0.03)


def test_intervals_are_the_percentiles_of_a_plain_loop(draw):
    drawn = draw(lesions=40, seed=5)
    weights = resampled_weights(drawn.labels, drawn.lesions, resamples=10, seed=9)
    values = []
    for counts in weights.astype(int):
        images = np.repeat(np.arange(len(drawn.labels)), counts)
        values.append(
            headline_metrics(drawn.labels[images], drawn.balanced[images], drawn.natural[images])
        )
    estimate = headline_metrics(drawn.labels, drawn.balanced, drawn.natural)
    found = intervals(drawn, resamples=10, seed=9)
    for name in STATISTICS:
        plain = np.array([value[name] for value in values])
        if name == "ece":
            plain = plain - plain.mean() + estimate["ece"]
        expected = np.maximum(np.percentile(plain, [2.5, 97.5]), 0)
        np.testing.assert_allclose(found[name], expected, atol=1e-10, err_msg=name)


@settings(max_examples=8)
@given(st.integers(0, 10_000))
def test_an_interval_holds_its_estimate(draw, seed):
    drawn = draw(lesions=400, seed=seed)
    estimate = headline_metrics(drawn.labels, drawn.balanced, drawn.natural)
    for name, (low, high) in intervals(drawn, resamples=300, seed=0).items():
        assert 0 <= low <= estimate[name] <= high, name
        assert low < high


@settings(max_examples=15)
@given(st.integers(0, 10_000))
def test_the_order_of_images_does_not_matter(draw, seed):
    drawn = draw(lesions=30, seed=seed)
    order = np.random.default_rng(seed).permutation(len(drawn.labels))
    one = intervals(drawn, resamples=40, seed=1)
    other = intervals([part[order] for part in drawn], resamples=40, seed=1)
    for name in STATISTICS:
        np.testing.assert_allclose(other[name], one[name], atol=1e-12)


@pytest.mark.slow
def test_intervals_cover_the_truth_about_as_often_as_they_say(draw):
    population = draw(lesions=60_000, seed=123)
    truth = headline_metrics(population.labels, population.balanced, population.natural)
    names = ("balanced_accuracy", "accuracy", "macro_auc")
    hits = dict.fromkeys(names, 0)
    for seed in range(60):
        drawn = draw(lesions=900, seed=seed)
        found = intervals(drawn, resamples=200, seed=0)
        for name in names:
            low, high = found[name]
            hits[name] += low <= truth[name] <= high
    # 95 % of 60 is 57; fewer than 50 has a chance under 1e-3 at a true cover of 0.92.
    assert min(hits.values()) >= 50, hits


def test_siblings_make_the_interval_wider(draw):
    """Ten copies of each image are no ten times as many observations."""
    drawn = draw(lesions=150, seed=4)
    ten = [np.repeat(part, 10, axis=0) for part in drawn]
    images = np.array([f"image_{n}" for n in range(len(ten[0]))])
    low, high = intervals(ten, resamples=300, seed=0)["accuracy"]
    by_image = intervals([ten[0], images, *ten[2:]], resamples=300, seed=0)["accuracy"]
    alone = intervals(drawn, resamples=300, seed=0)["accuracy"]
    assert (low, high) == pytest.approx(alone, abs=1e-12)
    assert high - low > 2 * (by_image[1] - by_image[0])


def test_one_lesion_has_no_spread():
    labels, lesions = np.array([2, 2, 2]), ["a", "a", "a"]
    rows = np.full((3, 7), 0.05) + 0.65 * np.eye(7)[[2, 2, 0]]
    found = intervals((labels, lesions, rows, rows), resamples=20, seed=0)
    assert np.isnan([found["accuracy"], found["macro_auc"]]).all()
    document = document_of((labels, lesions, rows, rows), resamples=20, seed=0)
    assert "macro_auc" not in document
    assert "macro_auc_low" not in document
    assert document["test_lesions"] == 1


@pytest.mark.parametrize("right", [True, False])
def test_an_interval_of_no_width_is_left_out(drawn, right):
    """All lesions right, or nv whatever is asked."""
    answers = drawn.labels if right else np.ones_like(drawn.labels)
    rows = 0.3 * np.eye(7)[answers] + 0.1
    document = document_of(drawn._replace(balanced=rows, natural=rows), resamples=100, seed=0)
    assert document["balanced_accuracy"] == (1 if right else 0.1429)
    assert "balanced_accuracy_low" not in document
    assert "balanced_accuracy_high" not in document
    assert interval_text(document, "balanced_accuracy") == "[no interval: all resamples agree]"
    ends = {name for name in document if name.endswith("_low")}
    assert not any(document[low] == document[low[:-4] + "_high"] for low in ends)


def test_the_document_is_flat_sorted_rounded_json(drawn):
    document = document_of(drawn, resamples=100, seed=0)
    assert list(document) == sorted(document)
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert all(value == round(value, DIGITS) for value in document.values())
    estimate = headline_metrics(drawn.labels, drawn.balanced, drawn.natural)
    assert document["macro_f1"] == round(estimate["macro_f1"], DIGITS)
    for name in (
        *("balanced_accuracy", "accuracy", "macro_f1", "macro_auc"),
        *("weighted_precision", "weighted_recall", "ece"),
    ):
        assert document[f"{name}_low"] <= document[name] <= document[f"{name}_high"]
    assert document["test_images"] == len(drawn.labels)
    assert document == document_of(drawn, resamples=100, seed=0)
    assert document != document_of(drawn, resamples=100, seed=1)


def test_a_thousand_resamples_of_a_real_test_set_take_seconds(draw):
    drawn = draw(lesions=1350)
    assert len(drawn.labels) > 1900
    start = time.perf_counter()
    intervals(drawn, resamples=1000, seed=0)
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lesions": ["a", "a", "b"]}, "lesion a: images with two labels"),
        ({"lesions": ["a", "b"]}, "lesions: shape"),
        ({"resamples": 0}, "bootstrap resamples: 0; at least 1"),
        ({"seed": -1}, "bootstrap seed: -1"),
    ],
)
def test_bad_arguments_are_refused_by_name(change, message):
    rows = np.full((3, 7), 1 / 7)
    arguments = {"lesions": ["a", "b", "c"], "resamples": 5, "seed": 0} | change
    with pytest.raises(InputError, match=message):
        intervals(
            ([0, 1, 1], arguments["lesions"], rows, rows), arguments["resamples"], arguments["seed"]
        )
