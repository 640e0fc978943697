"""The fewest lesions and seeds that a verdict is spoken of; of fewer, nothing is told."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from harmonic.__main__ import main
from harmonic.data.classes import CLASSES
from harmonic.evaluation.comparison import compare
from harmonic.evaluation.comparison_text import comparison_text
from harmonic.evaluation.difference import Difference, verdict
from harmonic.evaluation.exchange import differing_lesions, exchange_test, fewest_differing
from harmonic.evaluation.metrics import headline_metrics
from harmonic.evaluation.paired import STATISTICS, paired_difference
from harmonic.evaluation.plots.differences import comparison_plot
from harmonic.evaluation.plots.drawing import BLUE
from harmonic.evaluation.predictions import write_predictions
from harmonic.evaluation.runs import read_runs
from harmonic.evaluation.weighted import sensitivity_of

BALANCED = STATISTICS["balanced_accuracy"]


def sure(answers):
    """Probabilities (..., 7) that leave no doubt about the answers (...)."""
    return 0.93 * np.eye(7)[answers] + 0.01


def a_run(folder, labels, answers, model, seed, lesions=None):
    (folder / "reports").mkdir(parents=True)
    (folder / "data").mkdir()
    ids = [f"ISIC_{number:07d}" for number in range(len(labels))]
    write_predictions(folder / "reports/predictions.csv", ids, sure(answers))
    table = pd.DataFrame({"image_id": ids, "dx": np.array(CLASSES)[labels]})
    table["lesion_id"] = ids if lesions is None else lesions
    table.assign(split="test").to_csv(folder / "data/split.csv", index=False)
    metrics = headline_metrics(labels, sure(answers), sure(answers))
    (folder / "reports/metrics.json").write_text(json.dumps(metrics))
    (folder / "params.yaml").write_text(f"seed: {seed}\nmodel: {model}\n")
    return str(folder)


@pytest.mark.parametrize("differing", [1, 5])
def test_seven_lesions_of_which_few_differ_tell_nothing(tmp_path, capsys, differing):
    labels = np.arange(7)
    worse = np.where(labels < differing, (labels + 1) % 7, labels)
    names = [
        a_run(tmp_path / f"{model}{seed}", labels, answers, model, seed)
        for model, answers in (("cnn", worse), ("harmonic", labels))
        for seed in range(2)
    ]
    plot = tmp_path / "plot.svg"
    assert main(["compare", *names, "--resamples", "100", "--plot", str(plot)]) == 0
    printed = capsys.readouterr().out
    lesions = "1 lesion" if differing == 1 else "5 lesions"
    assert f"too few to tell: {lesions} answered differently, at least 6 needed" in printed
    assert "differs from" not in printed
    row = next(line for line in printed.splitlines() if line.startswith("| balanced accuracy "))
    assert [cell.strip() for cell in row.split("|")[3:6]] == ["–", "–", "–"]


@pytest.mark.parametrize(
    ("metric", "differing"),
    [
        *((name, 1) for name in ("balanced_accuracy", "accuracy", "weighted_precision")),
        *((name, 1) for name in ("ece", "log_loss", "brier_balanced_rule")),
        *(("brier", number) for number in (1, 5, 6)),
    ],
)
def test_few_lesions_tell_nothing_whatever_the_figure(tmp_path, capsys, metric, differing):
    """Hardly a difference between seeds, many photographs: sure, but of a few lesions alone."""
    labels = np.repeat(np.arange(7), 30)
    worse = np.where(labels < differing, (labels + 1) % 7, labels)
    for seed in range(2):
        worse[0] = 1 - seed  # the seeds differ in one photograph
        for model, answers in (("cnn", worse), ("harmonic", labels)):
            a_run(tmp_path / f"{model}{seed}", labels, answers, model, seed, labels.astype(str))
    names = [str(folder) for folder in sorted(tmp_path.iterdir())]
    assert main(["compare", *names, "--metrics", metric, "--resamples", "100"]) == 0
    printed = capsys.readouterr().out
    assert ("too few to tell" in printed) == (differing < 6)
    if differing < 6:
        few = "1 lesion" if differing == 1 else "5 lesions"
        assert f"{few} answered differently, at least 6 needed" in printed
        assert "differs from" not in printed


@pytest.mark.parametrize("comparisons", [1, 2, 4, 10])
def test_the_fewest_lesions_are_those_from_which_mcnemar_can_be_sure(comparisons):
    alpha = 0.05 / comparisons
    number = fewest_differing(1 - (1 - alpha))  # as it comes from a confidence
    assert stats.binomtest(number, number).pvalue <= alpha
    assert stats.binomtest(number - 1, number - 1).pvalue > alpha
    assert fewest_differing(0.05) == 6


def test_one_lesion_never_makes_a_verdict_whatever_its_weight():
    for statistic in STATISTICS.values():
        for rest in (5, 50):
            labels = np.concatenate([[1], np.repeat([0, 2], rest)])
            second = sure(labels)[None]
            first = second.copy()
            first[0, 0] = sure(0)
            found = paired_difference(
                *(labels, np.arange(len(labels)).astype(str), first, second, statistic),
                resamples=100,
                seed=0,
            )
            assert found.differing == 1
            assert found.value > 0
            assert not found.told


@pytest.mark.parametrize("name", ["balanced_accuracy", "macro_auc"])
@pytest.mark.parametrize("kinds", [2, 7])
def test_where_nothing_differs_a_small_test_set_says_so_seldom_enough(name, kinds):
    """Two networks that are right equally often: told apart in at most one study of 20."""
    told, studies, lesions = 0, 200, 10
    labels = np.arange(lesions) % kinds
    for study in range(studies):
        random = np.random.default_rng(study)
        right = random.random((2, 1, lesions)) < 0.6
        answers = np.where(right, labels, (labels + 1) % kinds)
        noise = random.dirichlet(np.ones(7), size=(2, 1, lesions))
        first, second = 0.8 * sure(answers) + 0.2 * noise
        found = paired_difference(
            *(labels, np.arange(lesions).astype(str), first, second, STATISTICS[name]),
            resamples=100,
            seed=study,
        )
        told += found.told
    assert told <= stats.binom.ppf(0.99, studies, 0.05)


def test_exchanging_lesions_of_one_weight_is_mcnemars_test():
    """Only with equal weights: one class, one photograph a lesion."""
    random = np.random.default_rng(0)
    for count in (8, 12, 40):
        labels = np.zeros(count, dtype=int)
        ids = np.arange(count).astype(str)
        right = random.random((2, count)) < [[0.4], [0.8]]
        first, second = sure(np.where(right, 0, 1))
        alone = int((right[0] & ~right[1]).sum()), int((right[1] & ~right[0]).sum())
        apart = differing_lesions(labels, ids, first[None], second[None], BALANCED)
        assert len(apart) == sum(alone)
        p = exchange_test(labels, ids, [(first, second)], BALANCED, apart, seed=0)
        assert p == pytest.approx(stats.binomtest(alone[0], sum(alone)).pvalue, abs=0.02)


def test_what_is_enough_is_told():
    labels = np.repeat(np.arange(7), 4)
    worse = np.where(np.arange(28) % 4 < 2, (labels + 1) % 7, labels)
    found = paired_difference(
        *(labels, np.arange(28).astype(str), sure(worse)[None], sure(labels)[None], BALANCED),
        resamples=200,
        seed=0,
    )
    assert found.differing == 14
    assert found.too_few == ""
    assert found.p < 0.001
    assert found.told
    assert "differ: 0.500 higher" in verdict(found, "balanced_accuracy", "a", "b", 1)


def test_a_sensitivity_needs_lesions_of_its_class_that_are_answered_differently():
    """Every probability differs and most answers do, but four lesions of the class alone."""
    labels, number = np.repeat(np.arange(7), 30), np.arange(210)
    first = np.where((labels != 5) | (number % 30 < 4), (labels + 1) % 7, labels)
    second = np.where(labels == 6, 0, labels)
    noise = np.random.default_rng(0).dirichlet(np.ones(7), size=(2, 1, 210))
    one, other = 0.999 * sure(np.stack([first, second])[:, None]) + 0.001 * noise
    ids = number.astype(str)
    found, enough = (
        paired_difference(labels, ids, one, other, sensitivity_of(c), resamples=100, seed=0)
        for c in (5, 4)
    )
    assert found.differing == 4
    assert not found.told
    assert enough.differing == 30
    assert enough.told


def difference(per_seed, **more):
    return Difference(np.zeros(len(per_seed)), np.array(per_seed), **more)


def test_seeds_that_all_say_the_same_and_test_sets_too_small_tell_nothing():
    for seeds in ([0.1, 0.1], [0.1429, 0.1428]):  # the same, in four digits
        same = difference(seeds, differing=7)
        words = verdict(same, "balanced_accuracy", "cnn", "harmonic", 1)
        assert "too few to tell: 2 seeds, one difference" in words
    unknown = verdict(difference([0.1, 0.2]), "balanced_accuracy", "cnn", "harmonic", 1)
    assert "too few to tell: how many lesions were tested is not known" in unknown
    small = difference([0.1, 0.11], differing=5)
    words = verdict(small, "balanced_accuracy", "cnn", "harmonic", 1)
    assert "too few to tell: at most 5 lesions answered differently, at least 6 needed" in words
    assert difference([0.1, 0.11], differing=6).seems
    assert not difference([0.1, 0.11], differing=6, confidence=0.99).seems
    # What six lesions could show, one of them may have made: that takes the answers.
    words = verdict(difference([0.1, 0.11], differing=6), "balanced_accuracy", "a", "b", 1)
    assert words.startswith("no difference can be shown")
    assert "without answers no exact test can be made" in words


def test_the_plot_colours_what_is_told_and_draws_no_interval_of_too_little():
    arms = [("cnn", [0.5]), ("harmonic", [0.6])]
    drawn = [
        comparison_plot("title", "score", arms, [("harmonic", 0.1, interval, told)]).count(b"<use")
        - comparison_plot("title", "score", arms, []).count(b"<use")
        for interval, told in (((0.05, 0.15), True), (None, False))
    ]
    assert drawn[0] >= drawn[1] == 1
    coloured, grey = (
        comparison_plot("title", "score", arms, [("harmonic", 0.1, (0.05, 0.15), told)])
        for told in (True, False)
    )
    assert coloured.count(BLUE.encode()) > grey.count(BLUE.encode())


def runs_in(folder, labels, cnn, harmonic, counts=True):
    """Names of the runs of two models; every probability differs, few answers do."""
    random = np.random.default_rng(0)
    for model, answers in (("cnn", cnn), ("harmonic", harmonic)):
        for seed in range(5):
            found = answers.copy()
            if seed == 0 and model == "harmonic":  # the seeds differ in one photograph
                found[-1] = 0
            rows = 0.999 * sure(found) + 0.001 * random.dirichlet(np.ones(7), len(labels))
            place = folder / f"{model}{seed}"
            a_run(place, labels, found, model, seed)
            ids = [f"ISIC_{number:07d}" for number in range(len(labels))]
            write_predictions(place / "reports/predictions.csv", ids, rows)
            if counts:
                write_predictions(place / "reports/predictions_natural.csv", ids, rows)
            metrics = headline_metrics(labels, rows, rows)
            if not counts:
                metrics = {name: metrics[name] for name in ("accuracy", "balanced_accuracy")}
            (place / "reports/metrics.json").write_text(json.dumps(metrics))
    return [str(one) for one in sorted(folder.iterdir())]


@pytest.mark.parametrize("metric", ["accuracy", "weighted_precision", "macro_f1_natural_rule"])
def test_figures_of_answers_need_answers_that_differ(tmp_path, metric):
    """All probabilities differ a little, but two lesions alone are answered differently."""
    labels = np.repeat(np.arange(7), 6)
    worse = np.where(np.arange(42) == 0, 1, labels)
    runs = read_runs(runs_in(tmp_path, labels, worse, labels))
    (section,) = compare(runs, metrics=[metric], resamples=20)
    assert "too few to tell: 2 lesions answered differently" in section.pairs[0].verdict


@pytest.mark.parametrize("metric", ["accuracy", "mcc", "ece", "brier", "accuracy_balanced_rule"])
def test_figures_with_an_interval_over_seeds_alone_need_an_exact_test_too(tmp_path, metric):
    """Seven lesions better, three worse: seeds that agree make it sure, McNemar's p is 0.34."""
    labels, number = np.repeat(np.arange(7), 6), np.arange(42)
    first = np.where(number < 7, (labels + 1) % 7, labels)
    second = np.where((number >= 10) & (number < 13), (labels + 1) % 7, labels)
    runs = read_runs(runs_in(tmp_path, labels, first, second))
    (section,) = compare(runs, metrics=[metric], resamples=20)
    (pair,) = section.pairs
    found = pair.differences[metric]
    low, high = found.interval
    assert low > 0 or high < 0
    assert found.p > 0.05
    assert not found.told
    assert "no difference can be shown" in pair.verdict
    assert "the exact test does not agree (p = " in pair.verdict


def test_every_printed_difference_has_its_exact_test(tmp_path):
    labels, number = np.repeat(np.arange(7), 6), np.arange(42)
    first = np.where(number < 7, (labels + 1) % 7, labels)
    second = np.where((number >= 10) & (number < 13), (labels + 1) % 7, labels)
    runs = read_runs(runs_in(tmp_path, labels, first, second))
    sections = compare(runs, resamples=50)
    differences = sections[0].pairs[0].differences
    assert {"balanced_accuracy", "macro_auc", "accuracy", "ece"} <= set(differences)
    for name, found in differences.items():
        assert 0 < found.p <= 1, name
        assert not found.told or found.p <= 0.05, name
    text = comparison_text(sections, list(differences))
    assert "Nothing is told of accuracy: the exact test does not agree (p = 0.3" in text


def test_a_figure_that_the_answers_do_not_give_is_not_told(tmp_path):
    labels = np.repeat(np.arange(7), 6)
    worse = np.where(np.arange(42) % 6 < 3, (labels + 1) % 7, labels)
    runs = read_runs(runs_in(tmp_path, labels, worse, labels, counts=False))
    (section,) = compare(runs, metrics=["accuracy"], resamples=20)
    assert "no exact test can be made of it" in section.pairs[0].verdict


def test_pooled_folds_of_few_lesions_have_no_certain_interval(tmp_path, capsys):
    """One lesion a class: every resample is the test set itself."""
    labels = np.arange(7)
    for fold in range(2):
        rows = slice(4 * fold, 4 * fold + 4)
        place = tmp_path / f"fold{fold}"
        a_run(place, labels[rows], labels[rows], "cnn", 0)
        ids = [f"ISIC_{number:07d}" for number in labels[rows]]
        table = pd.read_csv(place / "data/split.csv").assign(image_id=ids, lesion_id=ids)
        table.to_csv(place / "data/split.csv", index=False)
        for rule in ("", "_natural"):
            write_predictions(place / f"reports/predictions{rule}.csv", ids, sure(labels[rows]))
        params = place / "params.yaml"
        params.write_text(params.read_text() + f"split: {{folds: 2, fold: {fold}}}\n")
    names = [str(tmp_path / f"fold{fold}") for fold in range(2)]
    output = tmp_path / "pooled"
    assert main(["pool", *names, "--output", str(output), "--resamples", "100"]) == 0
    assert "balanced accuracy 1.000 [too few lesions for an interval]" in capsys.readouterr().out
    assert not (output / "intervals.json").read_text().strip("{}\n")
    table = pd.read_csv(output / "per_class.csv")
    assert table.sensitivity.eq(1).all()
    assert table[["sensitivity_low", "sensitivity_high", "f1_low"]].isna().all(axis=None)
