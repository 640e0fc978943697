"""Groups of runs side by side: what differs, how surely; `difference` has the verdict.

Runs of one test set are grouped into arms; each arm is held against a reference over the seeds that
both have. Every difference has an interval, or is not given.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.arms import Arm, arms_of, checked_grouping, pool_folds, reference_of
from harmonic.evaluation.bootstrap import resampled_weights
from harmonic.evaluation.contradictions import contradictions
from harmonic.evaluation.difference import Difference, verdict
from harmonic.evaluation.exchange import EXCHANGES, FEWER_EXCHANGES, only_one_right
from harmonic.evaluation.metrics import BALANCED_METRICS
from harmonic.evaluation.operating_points import TARGETS
from harmonic.evaluation.paired import Paired
from harmonic.evaluation.runs import Run
from harmonic.evaluation.weighted import STATISTICS, Statistic, auc_of

METRICS = ("balanced_accuracy", "macro_f1", "macro_auc", "accuracy", "weighted_precision", "ece")
"""What is compared unless other metrics are named; the verdict is on the first."""


@dataclass(frozen=True)
class Pair:
    """An arm against the reference: a difference for each metric that has an interval."""

    reference: str
    arm: str
    seeds: tuple[int, ...]
    lesions: int | None
    differences: dict[str, Difference]
    only_one_right: tuple[int, int, float] | None
    """McNemar's test on lesions, of the seeds' averaged probabilities."""
    judged: Difference | None
    """Of the first metric, its intervals widened for as many comparisons as there are."""
    verdict: str

    @property
    def untold(self) -> list[str]:
        """A sentence for each figure whose interval says more than its exact test."""
        return [
            f"Nothing is told of {name.replace('_', ' ')}: {found.against}."
            for name, found in self.differences.items()
            if found.against
        ]


@dataclass(frozen=True)
class Section:
    """All that is said about the runs of one test set."""

    test_set: str
    arms: tuple[Arm, ...]
    pairs: tuple[Pair, ...]


def compare(
    runs: Sequence[Run],
    *,
    by: Sequence[str] = (),
    reference: str | None = None,
    metrics: Sequence[str] | None = None,
    resamples: int = 2000,
    seed: int = 0,
) -> list[Section]:
    """A section for each test set of the runs, in the order they come.

    Args:
        runs: see `read_runs`; folds of one arm and seed are pooled first.
        by: traits to group by; see `checked_grouping`.
        reference: the arm the others are held against; see `reference_of`.
        metrics: names in metrics.json, the verdict is on the first; without, those of METRICS that
            any run has. Runs that have none of them are left out.
        resamples, seed: of the bootstrap over lesions.

    Raises InputError for two runs of one arm and seed, an arm of two kinds, an unknown trait,
    reference or metric, a run without the first metric, and answers that do not give the metrics
    beside them.
    """
    metrics = shared_metrics(runs, metrics)
    runs = [run for run in runs if set(metrics) & set(run.metrics)]
    for run in runs:
        if metrics[0] not in run.metrics:
            raise InputError(f"run {run.name}: has no {metrics[0]}; the verdict is on it")
    keys = checked_grouping(runs, by, reference)
    pooled = pool_folds(runs, keys)
    for run in tqdm(pooled, desc="compare: runs checked", unit="run", disable=None):
        if run.answers is not None and (lines := contradictions(run.metrics, run.answers)):
            raise InputError(f"run {run.name}: {lines[0]}; they are not of one run")
    sections = []
    for test_set in dict.fromkeys(run.test_set for run in pooled):
        arms = arms_of([run for run in pooled if run.test_set == test_set], keys)
        first = reference_of(arms, reference)
        others = [arm for arm in arms if arm is not first]
        pairs = [
            pair_of(first, arm, metrics, len(others), resamples=resamples, seed=seed)
            for arm in others
        ]
        sections.append(Section(test_set, tuple(arms), tuple(pairs)))
    return sections


def shared_metrics(runs: Sequence[Run], wanted: Sequence[str] | None) -> tuple[str, ...]:
    """The metrics to compare; raises InputError for a wanted one that no run has."""
    known = {name for run in runs for name in run.metrics}
    if missing := [name for name in wanted or METRICS[:1] if name not in known]:
        raise InputError(f"metric {missing[0]}: in none of the runs")
    return tuple(wanted or (name for name in METRICS if name in known))


def pair_of(
    first: Arm, second: Arm, metrics: Sequence[str], comparisons: int, *, resamples: int, seed: int
) -> Pair:
    """What differs between two arms; the verdict is meant for so many comparisons."""
    one, other = ({run.seed: run for run in arm.runs} for arm in (first, second))
    seeds = tuple(sorted(set(one) & set(other)))
    pairs = [(one[number], other[number]) for number in seeds]
    rules = answers_of(pairs, resamples=resamples, seed=seed)

    def difference(name: str, confidence: float = 0.95) -> Difference | None:
        exchanges = EXCHANGES if name == metrics[0] else FEWER_EXCHANGES
        if rules and name in BALANCED_METRICS:
            balanced, statistic = rules["balanced"], STATISTICS[name]
            found: Difference | None = balanced.difference(statistic, confidence, exchanges)
        else:
            found = over_seeds(pairs, name, confidence, rules, exchanges)
        return found if found and np.isfinite([found.value, *found.interval]).all() else None

    bar = tqdm(metrics, desc=f"compare: {second.name}", unit="figure", disable=None)
    differences = {name: found for name in bar if (found := difference(name))}
    judged = differences.get(metrics[0])
    if judged and comparisons > 1:  # Bonferroni: one false alarm in 20 tables
        judged = difference(metrics[0], 1 - 0.05 / comparisons)
    lesions, test = None, None
    if rules:
        balanced = rules["balanced"]
        lesions = len(np.unique(balanced.lesions))
        means = (balanced.first.mean(axis=0), balanced.second.mean(axis=0))
        test = only_one_right(balanced.labels, balanced.lesions, *means)
    return Pair(
        reference=first.name,
        arm=second.name,
        seeds=seeds,
        lesions=lesions,
        differences=differences,
        only_one_right=test,
        judged=judged,
        verdict=verdict(judged, metrics[0], first.name, second.name, comparisons),
    )


def answers_of(pairs: Sequence[tuple[Run, Run]], *, resamples: int, seed: int) -> dict[str, Paired]:
    """What the runs answered by the name of the rule.

    Empty unless all answers are known; without "natural" where one of those is not.
    """
    arms = [[run.answers for run in arm if run.answers] for arm in zip(*pairs, strict=True)]
    if not arms or any(len(arm) < len(pairs) for arm in arms):
        return {}
    base = arms[0][0]
    if not all(np.array_equal(one.image_ids, base.image_ids) for arm in arms for one in arm):
        raise InputError("runs to be paired are not of the same test images")
    weights = resampled_weights(base.labels, base.lesions, resamples=resamples, seed=seed)
    found = {}
    for rule, kinds in (
        ("balanced", [[one.balanced for one in arm] for arm in arms]),
        ("natural", [[one.by_natural_rule() for one in arm] for arm in arms]),
    ):
        if all(one is not None for kind in kinds for one in kind):
            first, second = map(np.array, kinds)
            found[rule] = Paired(base.labels, base.lesions, first, second, weights, seed)
    return found


def over_seeds(
    pairs: Sequence[tuple[Run, Run]],
    metric: str,
    confidence: float,
    rules: Mapping[str, Paired],
    exchanges: int,
) -> Difference | None:
    """What the runs' own figures allow: an interval over seeds, from two pairs of runs on.

    With answers an exact test goes with it; without, at most all test lesions differ.
    """
    if len(pairs) < 2 or any(metric not in run.metrics for pair in pairs for run in pair):
        return None
    differing, exact = None, None
    if rules:
        paired, statistic = figure_of(metric, rules)
        differing, exact = paired.exact_test(statistic, exchanges)
    elif all("test_lesions" in run.metrics for pair in pairs for run in pair):
        differing = int(min(run.metrics["test_lesions"] for pair in pairs for run in pair))
    firsts, seconds = np.array([[run.metrics[metric] for run in pair] for pair in pairs]).T
    return Difference(firsts, seconds, confidence=confidence, differing=differing, exact=exact)


def figure_of(metric: str, rules: Mapping[str, Paired]) -> tuple[Paired, Statistic | None]:
    """The answers that give a figure by its name in metrics.json, and how.

    No statistic where they do not: the natural rule's are not known, or a threshold is not.
    """
    plain = metric.removeprefix("lesion_")
    name = plain.removesuffix("_natural_rule").removesuffix("_balanced_rule")
    for target, classes in TARGETS.items():
        if name == f"{target}_auc":
            return rules["balanced"], auc_of(*map(CLASSES.index, classes))
    under_balanced = (name in BALANCED_METRICS) == (name == plain)
    paired = rules.get("balanced" if under_balanced else "natural")
    if paired is None or name not in STATISTICS:
        return rules["balanced"], None
    return paired.by_lesion() if plain != metric else paired, STATISTICS[name]
