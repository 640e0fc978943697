"""Groups of runs side by side: what differs, how surely, and a verdict in words.

Runs of one test set are grouped into arms; each arm is held against a reference over the seeds that
both have. Every difference has an interval, or is not given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harmonic.errors import InputError
from harmonic.evaluation.contradictions import contradictions
from harmonic.evaluation.paired import (
    STATISTICS,
    Difference,
    differing_lesions,
    only_one_right,
    paired_difference,
    seed_interval,
)
from harmonic.evaluation.runs import Run

METRICS = ("balanced_accuracy", "macro_f1", "macro_auc", "accuracy", "weighted_precision", "ece")
"""What is compared unless other metrics are named; the verdict is on the first."""


@dataclass(frozen=True)
class Arm:
    """The runs of one kind on one test set."""

    name: str
    runs: tuple[Run, ...]

    def values(self, metric: str) -> list[float]:
        return [run.metrics[metric] for run in self.runs if metric in run.metrics]


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
        by: traits to group by; without, `arm` where runs have one, else all that differ.
        reference: the arm the others are held against; without, the one named cnn, else the first
            whose model is cnn, else the first.
        metrics: names in metrics.json, the verdict is on the first; without, those of METRICS that
            any run has. Runs that have none of them are left out.
        resamples, seed: of the bootstrap over lesions.

    Raises:
        InputError: two runs of one arm and seed, an unknown trait, reference or metric, a run
            without the first of its metrics, or predictions that do not give the metrics beside
            them.
    """
    metrics = shared_metrics(runs, metrics)
    runs = [run for run in runs if set(metrics) & set(run.metrics)]
    for run in runs:
        if metrics[0] not in run.metrics:
            raise InputError(f"run {run.name}: has no {metrics[0]}; the verdict is on it")
    keys = tuple(by) or grouping(runs)
    pooled = pool_folds(runs, keys)
    for run in pooled:
        _check_agreement(run)
    known = sorted({arm_name(run, keys) for run in pooled})
    if reference is not None and reference not in known:
        raise InputError(f"reference {reference!r}: no such arm; there are {', '.join(known)}")
    sections = []
    for test_set in dict.fromkeys(run.test_set for run in pooled):
        arms = arms_of([run for run in pooled if run.test_set == test_set], keys)
        first = _reference(arms, reference)
        others = [arm for arm in arms if arm is not first]
        pairs = [
            _pair(first, arm, metrics, len(others), resamples=resamples, seed=seed)
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


def grouping(runs: Sequence[Run]) -> tuple[str, ...]:
    """The traits that tell the arms apart: `arm` where there is one, else all that differ.

    None, where no parameter differs (runs of two versions of the code): each run is an arm then.
    """
    if any("arm" in run.traits for run in runs):
        return ("arm",)
    keys = dict.fromkeys(key for run in runs for key in run.kind)
    differing = [key for key in keys if len({run.traits.get(key) for run in runs}) > 1]
    seeds = [(run.seed, run.fold) for run in runs]
    if not differing and len(set(seeds)) < len(seeds):
        return ()
    return tuple(dict.fromkeys(["model", *differing]))


def arm_name(run: Run, keys: Sequence[str]) -> str:
    """What the traits `keys` of a run say: "harmonic", "harmonic, train.level=3"."""
    for key in keys:
        if key not in run.traits and not (key == "model" and not run.traits):
            raise InputError(f"run {run.name}: has no {key} to group by")
    if not run.traits or not keys:
        return run.name
    named = ("arm", "model")
    return ", ".join(
        run.traits[key] if key in named else f"{key}={run.traits[key]}" for key in keys
    )


def arms_of(runs: Sequence[Run], keys: Sequence[str]) -> list[Arm]:
    groups: dict[str, list[Run]] = {}
    for run in runs:
        groups.setdefault(arm_name(run, keys), []).append(run)
    for name, members in groups.items():
        seeds = [run.seed for run in members]
        if twice := {one for one in seeds if seeds.count(one) > 1}:
            raise InputError(
                f"arm {name}: two runs of seed {min(twice)} on the test set {members[0].test_set}; "
                "name one with --only or --arms, group with --by, or leave one out"
            )
    return [
        Arm(name, tuple(sorted(members, key=lambda run: run.seed)))
        for name, members in groups.items()
    ]


def pool_folds(runs: Sequence[Run], keys: Sequence[str]) -> list[Run]:
    """Runs with the folds of one arm and seed made one: every image once, answered by its fold."""
    from harmonic.evaluation.pooling import pooled_run

    whole = [run for run in runs if run.fold is None]
    folds: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        if run.fold is not None:
            folds.setdefault((arm_name(run, keys), run.seed), []).append(run)
    return whole + [pooled_run(members) for members in folds.values()]


def verdict(
    difference: Difference | None, metric: str, first: str, second: str, comparisons: int
) -> str:
    """What may be said of second against first; the intervals are meant for `comparisons`."""
    none = "no difference can be shown"
    if difference is None:
        return f"{none} between {second} and {first}: no interval can be made of it"
    if few := difference.too_few:
        return f"{second} against {first}: too few to tell: {few}"
    low, high = difference.interval
    shown = difference.told
    what = metric.replace("_", " ")
    word = "higher" if difference.value > 0 else "lower"
    amount = f"{abs(difference.value):.3f} {word} {what} [{low:+.3f}, {high:+.3f}]"
    note = f"; interval for {comparisons} comparisons" if comparisons > 1 else ""
    if difference.over_both is None and difference.over_lesions is not None:
        pair = f"two single networks ({second}, {first})"
        if shown:
            return f"these {pair} differ: {amount}{note}; one seed says nothing about the kinds"
        return f"{none} between these {pair}: {what} {low:+.3f} to {high:+.3f}{note}"
    if difference.over_lesions is None:
        note += "; over seeds on this one test set, other lesions are not accounted for"
    if shown:
        return f"{second} differs from {first}: {amount}{note}"
    return f"{none} between {second} and {first}: {what} {low:+.3f} to {high:+.3f}{note}"


def _reference(arms: Sequence[Arm], wanted: str | None) -> Arm:
    """The arm that is wanted where this test set has it, else cnn, else a plain one, else any."""
    names = [arm.name for arm in arms]
    for name in (wanted, "cnn"):
        if name in names:
            return arms[names.index(name)]
    plain = [arm for arm in arms if arm.runs[0].traits.get("model") == "cnn"]
    return (plain or list(arms))[0]


def _pair(
    first: Arm, second: Arm, metrics: Sequence[str], comparisons: int, *, resamples: int, seed: int
) -> Pair:
    one = {run.seed: run for run in first.runs}
    other = {run.seed: run for run in second.runs}
    seeds = tuple(sorted(set(one) & set(other)))
    pairs = [(one[number], other[number]) for number in seeds]
    answered = bool(pairs) and all(a.answers and b.answers for a, b in pairs)
    differences: dict[str, Difference] = {}
    test: tuple[int, int, float] | None = None
    lesions: int | None = None
    apart: int | None = None
    if answered:
        labels, ids, of_first, of_second = _aligned(pairs)
        lesions = len(np.unique(ids))
        apart = len(differing_lesions(labels, ids, of_first, of_second))
        test = only_one_right(labels, ids, of_first.mean(axis=0), of_second.mean(axis=0))

    def difference(
        name: str, confidence: float = 0.95, *, tested: bool = False
    ) -> Difference | None:
        if answered and name in STATISTICS:
            found: Difference | None = paired_difference(
                *(labels, ids, of_first, of_second, STATISTICS[name]),
                resamples=resamples,
                seed=seed,
                confidence=confidence,
                tested=tested,
            )
        else:
            found = _over_seeds(pairs, name, confidence, apart)
        return found if found and np.isfinite([found.value, *found.interval]).all() else None

    for name in metrics:
        if found := difference(name, tested=name == metrics[0] and comparisons == 1):
            differences[name] = found
    judged = differences.get(metrics[0])
    if judged and comparisons > 1:  # Bonferroni: one false alarm in 20 tables
        judged = difference(metrics[0], 1 - 0.05 / comparisons, tested=True)
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


def _aligned(pairs: Sequence[tuple[Run, Run]]) -> tuple[np.ndarray, ...]:
    """Labels, lesions, and the probabilities (seeds, n, 7) of both, all in one order of images."""
    answers = [(a.answers, b.answers) for a, b in pairs if a.answers and b.answers]
    base = answers[0][0]
    order = np.argsort(base.image_ids)
    stacks: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for pair in answers:
        for stack, one in zip(stacks, pair, strict=True):
            mine = np.argsort(one.image_ids)
            if not np.array_equal(one.image_ids[mine], base.image_ids[order]):
                raise InputError("runs to be paired are not of the same test images")
            stack.append(one.balanced[mine])
    return base.labels[order], base.lesions[order], np.array(stacks[0]), np.array(stacks[1])


def _over_seeds(
    pairs: Sequence[tuple[Run, Run]], metric: str, confidence: float, apart: int | None
) -> Difference | None:
    """What the metrics alone allow: an interval over seeds, from two pairs of runs on.

    apart: lesions answered differently; None without answers, where it is all test lesions at most.
    """
    if len(pairs) < 2 or any(metric not in run.metrics for pair in pairs for run in pair):
        return None
    first = np.array([run.metrics[metric] for run, _ in pairs])
    second = np.array([run.metrics[metric] for _, run in pairs])
    if apart is None and all("test_lesions" in run.metrics for pair in pairs for run in pair):
        apart = int(min(run.metrics["test_lesions"] for pair in pairs for run in pair))
    return Difference(
        first=float(first.mean()),
        second=float(second.mean()),
        value=float((second - first).mean()),
        per_seed=tuple((second - first).tolist()),
        over_lesions=None,
        over_seeds=seed_interval(second - first, confidence),
        over_both=None,
        confidence=confidence,
        differing=apart,
    )


def _check_agreement(run: Run) -> None:
    if run.answers is not None and (
        lines := contradictions(run.metrics, run.answers, run.answers.class_counts)
    ):
        raise InputError(f"run {run.name}: {lines[0]}; they are not of one run")
