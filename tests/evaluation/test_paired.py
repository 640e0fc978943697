"""Paired differences: their intervals hold what they promise, and their tests are scipy's."""

import numpy as np
import pytest
from scipy import optimize, stats
from sklearn import metrics as sk

from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import lesion_metrics, resampled_weights
from harmonic.evaluation.difference import seed_interval
from harmonic.evaluation.exchange import only_one_right
from harmonic.evaluation.metrics import per_class_table
from harmonic.evaluation.paired import STATISTICS, paired_difference
from harmonic.evaluation.weighted import auc_of, sensitivity_of, weighted_per_class

BALANCED = STATISTICS["balanced_accuracy"]


def compared(drawn, first, second, statistic=BALANCED, **more):
    of = {"resamples": 20, "seed": 0} | more
    return paired_difference(drawn.labels, drawn.lesions, first, second, statistic, **of)


def test_a_run_against_itself_differs_by_nothing(drawn):
    runs = np.stack([drawn.balanced, drawn.balanced])
    for statistic in STATISTICS.values():
        found = compared(drawn, runs, runs, statistic)
        assert found.value == 0
        assert found.over_lesions == found.over_seeds == found.over_both == (0, 0)


def test_the_statistics_are_scikit_learns(drawn):
    once = np.ones((1, len(drawn.labels)))
    answer = drawn.balanced.argmax(axis=1)
    found = {
        name: statistic(drawn.labels, drawn.balanced, once)[0]
        for name, statistic in STATISTICS.items()
    }
    assert found["balanced_accuracy"] == pytest.approx(
        sk.balanced_accuracy_score(drawn.labels, answer)
    )
    assert found["macro_f1"] == pytest.approx(sk.f1_score(drawn.labels, answer, average="macro"))
    area = sk.roc_auc_score(drawn.labels, drawn.balanced, multi_class="ovr")
    assert found["macro_auc"] == pytest.approx(area)
    for c in range(7):
        sensitivity = sensitivity_of(c)(drawn.labels, drawn.balanced, once)[0]
        assert sensitivity == pytest.approx(sk.recall_score(drawn.labels == c, answer == c))
        area = sk.roc_auc_score(drawn.labels == c, drawn.balanced[:, c])
        assert auc_of(c)(drawn.labels, drawn.balanced, once)[0] == pytest.approx(area)


def test_weighted_figures_of_a_class_are_those_of_repeated_images(draw):
    drawn = draw(lesions=80, seed=4)
    balanced = drawn.balanced
    weights = np.random.default_rng(0).integers(1, 4, size=(5, len(drawn.labels))).astype(float)
    found = weighted_per_class(drawn.labels, balanced, weights)
    for b, counts in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(len(drawn.labels)), counts)
        expected = per_class_table(drawn.labels[rows], balanced[rows])
        for name, values in found.items():
            assert values[b] == pytest.approx(expected[name].to_numpy(), nan_ok=True), name


def test_one_pair_of_runs_has_no_interval_over_seeds(drawn):
    found = compared(drawn, drawn.balanced[None], drawn.natural[None], resamples=50)
    assert found.over_seeds is None
    assert found.over_both is None
    assert found.interval == found.over_lesions
    assert found.over_lesions[0] <= found.value <= found.over_lesions[1]


def test_the_seed_interval_is_the_t_test():
    differences = [0.01, 0.03, -0.01, 0.02]
    expected = stats.ttest_1samp(differences, 0).confidence_interval()
    assert seed_interval(differences) == pytest.approx((expected.low, expected.high))
    assert seed_interval([0.1]) is None


@pytest.mark.parametrize("confidence", [0.95, 1 - 0.05 / 8])
def test_the_interval_over_both_is_that_of_the_sum_of_both_chances(drawn, confidence):
    """The law of the sum by its distribution function, where the code draws from it."""
    random = np.random.default_rng(0)
    first = np.stack([drawn.balanced] * 3)
    second = random.dirichlet(np.ones(7), size=(3, len(drawn.labels)))
    weights = resampled_weights(drawn.labels, drawn.lesions, resamples=400, seed=5)
    one, other = (
        [BALANCED(drawn.labels, run, weights) for run in runs] for runs in (first, second)
    )
    resampled = np.mean(np.subtract(other, one), axis=0)
    found = compared(drawn, first, second, resamples=400, seed=5, confidence=confidence)
    error = np.std(found.per_seed, ddof=1) / np.sqrt(3)
    for end, tail in zip(
        found.over_both, ((1 - confidence) / 2, (1 + confidence) / 2), strict=True
    ):
        exact = optimize.brentq(
            lambda x, tail=tail: stats.t.cdf((x - resampled) / error, 2).mean() - tail, -99, 99
        )
        assert end == pytest.approx(exact, abs=0.05 * abs(exact - found.value))


@pytest.mark.slow
def test_the_interval_over_both_holds_the_truth_about_as_often_as_it_says():
    """Two kinds of one true quality; each network's own quality strays. 95 % should hold 0."""
    held = 0
    studies = 150
    for study in range(studies):
        random = np.random.default_rng(study)
        labels = np.repeat(np.arange(7), 20)
        quality = random.normal(2.0, 0.15, size=(2, 3))
        hard = random.normal(0, 0.7, size=(len(labels), 7))  # the same images for all networks
        runs = []
        for kind in range(2):
            of_kind = []
            for seed in range(3):
                logits = hard + random.normal(0, 0.5, size=hard.shape)
                logits[np.arange(len(labels)), labels] += quality[kind, seed]
                exponential = np.exp(logits)
                of_kind.append(exponential / exponential.sum(axis=1, keepdims=True))
            runs.append(np.array(of_kind))
        of = {"resamples": 200, "seed": study}
        found = paired_difference(labels, np.arange(140).astype(str), *runs, BALANCED, **of)
        held += found.over_both[0] <= 0 <= found.over_both[1]
    assert held / studies >= 0.92


def test_mcnemar_by_hand():
    # Lesions a to d (a has two images); the first is right on a and b, the second on b, c and d.
    labels = np.array([0, 0, 1, 2, 3])
    lesions = np.array(["a", "a", "b", "c", "d"])
    sure = 0.94 * np.eye(7) + 0.01 * (1 - np.eye(7))
    first, second = sure[[0, 0, 1, 0, 0]], sure[[1, 1, 1, 2, 3]]
    assert only_one_right(labels, lesions, first, second) == (1, 2, pytest.approx(1.0))
    many = np.arange(12).astype(str)
    labels = np.zeros(12, dtype=int)
    _, _, p = only_one_right(labels, many, np.tile(sure[1], (12, 1)), np.tile(sure[0], (12, 1)))
    assert p == pytest.approx(2 * 0.5**12)


def test_a_lesion_answers_with_the_mean_over_its_photographs():
    labels = np.array([1, 0, 1])
    probabilities = np.array(
        [[0.8, 0.2, 0, 0, 0, 0, 0], [1.0, 0, 0, 0, 0, 0, 0], [0.1, 0.9, *[0] * 5]]
    )
    answers = Answers(labels, ["b", "a", "b"], probabilities, probabilities)
    pooled = answers.by_lesion()
    assert pooled.lesions.tolist() == ["a", "b"]
    assert pooled.labels.tolist() == [0, 1]
    assert pooled.balanced[1, :2] == pytest.approx([0.45, 0.55])
    weights = resampled_weights(answers.labels, answers.lesions, resamples=10, seed=0)
    found = lesion_metrics(answers, weights)
    assert found["lesion_balanced_accuracy"] == 1.0


def test_runs_that_do_not_fit_are_refused(drawn):
    drawn_twice = np.stack([drawn.balanced] * 2)
    with pytest.raises(InputError, match="paired runs: shapes"):
        compared(drawn, drawn_twice, drawn_twice[:1])
