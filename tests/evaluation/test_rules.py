import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from sklearn.metrics import log_loss

from harmonic.errors import InputError
from harmonic.evaluation.rules import (
    TEMPERATURE_BOUNDS,
    decision_rules,
    fit_temperature,
    uncalibrated_rule,
)

COUNTS = np.array([779, 4693, 360, 229, 769, 80, 99])
PRIOR = COUNTS / COUNTS.sum()

some_logits = arrays(
    np.float32, st.tuples(st.integers(1, 20), st.just(7)), elements=st.floats(-50, 50, width=32)
)
some_counts = arrays(np.int64, 7, elements=st.integers(1, 10_000))
ways = st.sampled_from(["logit_adjustment", "class_weights", "none"])
temperatures = st.floats(0.05, 20)


@given(some_logits, some_counts, ways, temperatures)
def test_both_rules_give_distributions_related_by_bayes(logits, counts, way, temperature):
    balanced, natural = decision_rules(logits, counts, imbalance=way, temperature=temperature)
    for rule in (balanced, natural):
        assert rule.dtype == np.float64
        assert rule.shape == logits.shape
        assert np.all(rule >= 0)
        np.testing.assert_allclose(rule.sum(axis=1), 1, atol=1e-12)
    joint = balanced * counts
    np.testing.assert_allclose(natural, joint / joint.sum(axis=1, keepdims=True), atol=1e-9)


@given(some_logits, ways, temperatures)
def test_equal_frequencies_make_the_rules_equal(logits, way, temperature):
    balanced, natural = decision_rules(
        logits, np.full(7, 50), imbalance=way, temperature=temperature
    )
    np.testing.assert_allclose(balanced, natural, atol=1e-12)


@given(some_logits, some_counts, st.integers(-100, 100), ways)
def test_a_constant_added_to_all_logits_changes_nothing(logits, counts, constant, way):
    logits = logits.astype(np.float64)
    one = decision_rules(logits, counts, imbalance=way, temperature=2.0)
    other = decision_rules(logits + constant, counts, imbalance=way, temperature=2.0)
    np.testing.assert_allclose(one, other, atol=1e-9)


def test_without_a_measure_against_imbalance_natural_is_the_softmax_at_temperature_one():
    logits = np.random.default_rng(0).normal(size=(30, 7))
    _, natural = decision_rules(logits, COUNTS, imbalance="none", temperature=1.0)
    np.testing.assert_allclose(natural, softmax(logits, axis=1), atol=1e-12)


def test_a_logit_adjusted_network_and_a_plain_one_of_the_same_posterior_agree():
    plain = np.random.default_rng(0).normal(size=(30, 7))
    adjusted = plain - np.log(PRIOR)
    for temperature in (0.5, 1.0, 3.0):
        np.testing.assert_allclose(
            decision_rules(plain, COUNTS, imbalance="none", temperature=temperature),
            decision_rules(adjusted, COUNTS, imbalance="logit_adjustment", temperature=temperature),
            atol=1e-12,
        )


def test_a_network_that_knows_nothing_answers_the_frequencies():
    balanced, natural = decision_rules(
        np.zeros((1, 7)), COUNTS, imbalance="logit_adjustment", temperature=1.0
    )
    np.testing.assert_allclose(balanced[0], 1 / 7)
    np.testing.assert_allclose(natural[0], PRIOR)


@pytest.mark.parametrize("true_temperature", [0.5, 1.0, 2.0, 4.0])
def test_the_temperature_that_made_the_labels_is_found(true_temperature):
    random = np.random.default_rng(3)
    logits = random.normal(size=(40_000, 7)) * 3
    _, natural = decision_rules(
        logits, COUNTS, imbalance="class_weights", temperature=true_temperature
    )
    labels = (natural.cumsum(axis=1) < random.random((len(natural), 1))).sum(axis=1)
    found = fit_temperature(logits, labels, COUNTS, "class_weights")
    assert found == pytest.approx(true_temperature, rel=0.05)


@pytest.mark.parametrize("way", ["logit_adjustment", "class_weights", "none"])
def test_no_temperature_on_a_grid_has_a_smaller_log_loss(drawn, way):
    logits = np.log(drawn.balanced) * 3
    found = fit_temperature(logits, drawn.labels, COUNTS, way)

    def loss(temperature: float) -> float:
        _, natural = decision_rules(logits, COUNTS, imbalance=way, temperature=temperature)
        return log_loss(drawn.labels, natural, labels=range(7))

    assert loss(found) <= min(loss(t) for t in np.geomspace(*TEMPERATURE_BOUNDS, 200)) + 1e-9


def test_logits_that_say_nothing_leave_the_temperature_at_one():
    assert fit_temperature(np.zeros((10, 7)), np.arange(10) % 7, COUNTS, "class_weights") == 1.0


def test_faultless_and_hopeless_validation_sets_stay_within_the_bounds():
    labels = np.arange(70) % 7
    right = np.eye(7)[labels] * 30
    low, high = TEMPERATURE_BOUNDS
    for logits in (right, -right, right[:1]):
        found = fit_temperature(logits, labels[: len(logits)], COUNTS, "logit_adjustment")
        assert low <= found <= high


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"logits": np.full((2, 7), np.nan)}, "logits: row 0, class mel is nan"),
        ({"logits": np.zeros((2, 6))}, r"logits: shape \(2, 6\)"),
        ({"logits": np.zeros((0, 7))}, r"logits: shape \(0, 7\)"),
        ({"class_counts": [1, 2, 3, 0, 5, 6, 7]}, "akiec has 0 training images"),
        ({"class_counts": [1, 2]}, "class counts: shape"),
        ({"imbalance": "magic"}, "imbalance: 'magic'; allowed are logit_adjustment"),
        ({"temperature": 0.0}, "temperature: 0.0"),
        ({"temperature": float("nan")}, "temperature: nan"),
    ],
)
def test_bad_arguments_are_refused_by_name(change, message):
    arguments = {
        "logits": np.zeros((2, 7)),
        "class_counts": COUNTS,
        "imbalance": "none",
        "temperature": 1.0,
    } | change
    with pytest.raises(InputError, match=message):
        decision_rules(
            arguments["logits"],
            arguments["class_counts"],
            imbalance=arguments["imbalance"],
            temperature=arguments["temperature"],
        )


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_natural_rule_before_scaling_can_be_told_from_the_balanced_one(
    temperature: float,
) -> None:
    logits = np.random.default_rng(0).normal(size=(20, 7)) * 3
    counts = np.array([10, 60, 5, 3, 10, 1, 2])
    balanced, _ = decision_rules(
        logits, counts, imbalance="logit_adjustment", temperature=temperature
    )
    _, expected = decision_rules(logits, counts, imbalance="logit_adjustment", temperature=1.0)
    assert uncalibrated_rule(balanced, counts, temperature) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("counts", "temperature"), [(np.full(7, 50), 1e-320), (np.full(7, 1e308), 1.0)]
)
def test_no_answer_is_nan(counts, temperature) -> None:
    with pytest.raises(InputError):
        decision_rules(np.eye(7), counts, imbalance="none", temperature=temperature)
