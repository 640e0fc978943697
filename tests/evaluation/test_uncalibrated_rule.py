"""What the natural rule was before temperature scaling can be told from the balanced rule."""

import numpy as np
import pytest

from harmonic.evaluation.rules import decision_rules, uncalibrated_rule


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_it_is_the_natural_rule_at_temperature_one(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(size=(20, 7)) * 3
    counts = np.array([10, 60, 5, 3, 10, 1, 2])
    balanced, _ = decision_rules(
        logits, counts, imbalance="logit_adjustment", temperature=temperature
    )
    _, expected = decision_rules(logits, counts, imbalance="logit_adjustment", temperature=1.0)
    assert uncalibrated_rule(balanced, counts, temperature) == pytest.approx(expected, abs=1e-12)
