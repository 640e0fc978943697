from itertools import product
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from sklearn.metrics import log_loss

from harmonic.errors import InputError
from harmonic.evaluation.metrics import metrics_of
from harmonic.evaluation.rules import (
    EXPONENT_BOUNDS,
    TEMPERATURE_BOUNDS,
    Imbalance,
    decision_rules,
    fit_calibration,
    uncalibrated_rule,
)
from harmonic.model_file.description import read_description
from tests.deploy.conftest import describe

COUNTS = np.array([779, 4693, 360, 229, 769, 80, 99])
PRIOR = COUNTS / COUNTS.sum()

some_logits = arrays(
    np.float32, st.tuples(st.integers(1, 20), st.just(7)), elements=st.floats(-50, 50, width=32)
)
some_counts = arrays(np.int64, 7, elements=st.integers(1, 10_000))
WAYS = get_args(Imbalance)
ways = st.sampled_from(WAYS)
temperatures = st.floats(0.05, 20)
exponents = st.floats(0, 5)


@given(some_logits, some_counts, ways, temperatures, exponents)
def test_both_rules_give_distributions_related_by_bayes(logits, counts, way, temperature, exponent):
    balanced, natural = decision_rules(
        logits, counts, imbalance=way, temperature=temperature, prior_exponent=exponent
    )
    for rule in (balanced, natural):
        assert rule.dtype == np.float64
        assert rule.shape == logits.shape
        assert np.all(rule >= 0)
        np.testing.assert_allclose(rule.sum(axis=1), 1, atol=1e-12)
    joint = balanced * (counts / counts.sum()) ** exponent
    np.testing.assert_allclose(natural, joint / joint.sum(axis=1, keepdims=True), atol=1e-9)


@given(some_logits, some_counts, ways, temperatures, exponents)
def test_no_calibration_changes_what_the_balanced_rule_chooses(
    logits, counts, way, temperature, exponent
):
    before, _ = decision_rules(logits, counts, imbalance=way, temperature=1.0)
    after, _ = decision_rules(
        logits, counts, imbalance=way, temperature=temperature, prior_exponent=exponent
    )
    rows = np.arange(len(before))
    # Of classes that a network holds as good as equal, either may round to be the first.
    assert (after[rows, before.argmax(axis=1)] >= after.max(axis=1) - 1e-9).all()


@given(some_logits, some_counts, temperatures)
def test_equal_powers_are_the_temperature_scaling_of_the_posterior(logits, counts, temperature):
    _, before = decision_rules(logits, counts, imbalance="none", temperature=1.0)
    _, after = decision_rules(
        logits, counts, imbalance="none", temperature=temperature, prior_exponent=1 / temperature
    )
    scaled = np.log(np.clip(before, 1e-300, None)) / temperature
    np.testing.assert_allclose(after, softmax(scaled, axis=1), atol=1e-9)


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


@pytest.mark.parametrize("powers", [(0.5, 1.0), (1.0, 1.0), (2.0, 0.5), (4.0, 1.5)])
def test_the_powers_that_made_the_labels_are_found(powers):
    random = np.random.default_rng(3)
    logits = random.normal(size=(40_000, 7)) * 3
    made = dict(zip(("temperature", "prior_exponent"), powers, strict=True))
    _, natural = decision_rules(logits, COUNTS, imbalance="class_weights", **made)
    labels = (natural.cumsum(axis=1) < random.random((len(natural), 1))).sum(axis=1)
    assert fit_calibration(logits, labels, COUNTS, "class_weights") == pytest.approx(
        powers, rel=0.05
    )


@pytest.mark.parametrize("way", WAYS)
def test_no_powers_on_a_grid_have_a_smaller_log_loss(drawn, way):
    logits = np.log(drawn.balanced) * 3

    def loss(temperature: float, exponent: float) -> float:
        _, natural = decision_rules(
            logits, COUNTS, imbalance=way, temperature=temperature, prior_exponent=exponent
        )
        return log_loss(drawn.labels, natural, labels=range(7))

    found = fit_calibration(logits, drawn.labels, COUNTS, way)
    grid = product(np.geomspace(*TEMPERATURE_BOUNDS, 30), np.linspace(0, 3, 13))
    assert loss(*found) <= min(loss(*powers) for powers in grid) + 1e-9


def softened(way: str, smoothing: float, steepness: float) -> tuple[np.ndarray, np.ndarray]:
    """Logits of a network that learnt the truth of soft targets, and steepens it; labels."""
    random = np.random.default_rng(0)
    labels = random.choice(7, p=PRIOR, size=12_000)
    likelihood = (random.normal(size=(len(labels), 7)) * 1.5 + 3 * np.eye(7)[labels]) * 3 / 1.5**2
    of_prior = 0 if way == "resampling" else np.log(PRIOR)
    certain = softmax(likelihood + of_prior, axis=1)
    learnt = steepness * np.log((1 - smoothing) * certain + smoothing / 7)
    return learnt - (of_prior if way in ("logit_adjustment", "class_weights") else 0), labels


@pytest.mark.parametrize("steepness", [0.7, 1.0, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.3])
@pytest.mark.parametrize("way", WAYS)
def test_answers_are_calibrated_whatever_the_imbalance_and_the_smoothing(
    way: str, smoothing: float, steepness: float
) -> None:
    """Of a network in whose world the loss would be least, fitted on half of the images."""
    logits, labels = softened(way, smoothing, steepness)
    half = len(labels) // 2
    temperature, exponent = fit_calibration(logits[:half], labels[:half], COUNTS, way)
    (_, raw), (_, fitted) = (
        decision_rules(
            logits[half:], COUNTS, imbalance=way, temperature=powers[0], prior_exponent=powers[1]
        )
        for powers in ((1.0, 1.0), (temperature, exponent))
    )
    before, after = (metrics_of(labels[half:], rule) for rule in (raw, fitted))
    assert after["ece"] <= {0.0: 0.02, 0.1: 0.035, 0.3: 0.05}[smoothing]  # no power undoes it all
    assert after["log_loss"] <= before["log_loss"] + 1e-3
    # Soft targets flatten what the loss looks at: the posterior, or where images are drawn anew
    # from a balanced world the likelihood.
    assert exponent == pytest.approx(1 if way == "resampling" else 1 / temperature, rel=0.1)


def test_a_model_file_without_an_exponent_answers_as_it_always_did() -> None:
    text = describe().record()
    before = text.replace(',"prior_exponent":1.0', "")
    assert before != text
    logits = np.random.default_rng(0).normal(size=(30, 7)) * 3
    description = read_description(before, "an early file")
    balanced, natural = decision_rules(logits, **description.rule())
    np.testing.assert_array_equal(balanced, softmax(logits / 0.8, axis=1))
    log_prior = np.log(np.array(description.class_counts) / sum(description.class_counts))
    np.testing.assert_array_equal(natural, softmax(logits / 0.8 + log_prior, axis=1))


def test_logits_that_say_nothing_leave_the_temperature_at_one():
    temperature, exponent = fit_calibration(
        np.zeros((10, 7)), np.arange(10) % 7, COUNTS, "class_weights"
    )
    assert temperature == 1
    assert exponent < 0.5  # the validation set has all classes nearly as often


def test_faultless_and_hopeless_validation_sets_stay_within_the_bounds():
    labels = np.arange(70) % 7
    right = np.eye(7)[labels] * 30
    for logits in (right, -right, right[:1]):
        found = fit_calibration(logits, labels[: len(logits)], COUNTS, "logit_adjustment")
        for power, (low, high) in zip(found, (TEMPERATURE_BOUNDS, EXPONENT_BOUNDS), strict=True):
            assert low <= power <= high


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
        ({"prior_exponent": -0.1}, "prior exponent: -0.1"),
    ],
)
def test_bad_arguments_are_refused_by_name(change, message):
    arguments = {
        "logits": np.zeros((2, 7)),
        "class_counts": COUNTS,
        "imbalance": "none",
        "temperature": 1.0,
        "prior_exponent": 1.0,
    } | change
    with pytest.raises(InputError, match=message):
        decision_rules(
            arguments["logits"],
            arguments["class_counts"],
            imbalance=arguments["imbalance"],
            temperature=arguments["temperature"],
            prior_exponent=arguments["prior_exponent"],
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
