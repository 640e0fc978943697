"""Runs of one kind are an arm: which traits tell kinds apart, and which arm the others face."""

from collections.abc import Sequence
from dataclasses import dataclass

from harmonic.errors import InputError
from harmonic.evaluation.pooling import pooled_run
from harmonic.evaluation.runs import Run


@dataclass(frozen=True)
class Arm:
    """The runs of one kind on one test set."""

    name: str
    runs: tuple[Run, ...]

    def values(self, metric: str) -> list[float]:
        return [run.metrics[metric] for run in self.runs if metric in run.metrics]


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


def checked_grouping(
    runs: Sequence[Run], by: Sequence[str], reference: str | None
) -> tuple[str, ...]:
    """The traits to group by: those of `by`, or of `grouping`. The runs' answers are not looked at.

    Raises InputError for a trait that a run lacks, and a reference that is no arm.
    """
    keys = tuple(by) or grouping(runs)
    known = sorted({arm_name(run, keys) for run in runs})
    if reference is not None and reference not in known:
        raise InputError(f"reference {reference!r}: no such arm; there are {', '.join(known)}")
    return keys


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
    """The runs by the name of their arm; raises InputError for two of one seed, or two kinds."""
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
        check_kind(name, members)
    return [
        Arm(name, tuple(sorted(members, key=lambda run: run.seed)))
        for name, members in groups.items()
    ]


def check_kind(name: str, runs: Sequence[Run]) -> None:
    """Raises InputError where runs of the arm `name` differ in a parameter that two of them have.

    One that an older run lacks tells nothing, nor does `download`: the data are the test set's.
    """
    first: dict[str, Run] = {}
    for run in runs:
        for key, value in run.kind.items():
            other = first.setdefault(key, run)
            if other.kind[key] != value and not key.startswith("download."):
                raise InputError(
                    f"arm {name}: run {run.name} has {key} {value}, run {other.name} "
                    f"{other.kind[key]}; runs of an arm differ by seed and fold alone"
                )


def pool_folds(runs: Sequence[Run], keys: Sequence[str]) -> list[Run]:
    """Runs with the folds of one arm and seed made one: every image once, answered by its fold."""
    whole = [run for run in runs if run.fold is None]
    folds: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        if run.fold is not None:
            folds.setdefault((arm_name(run, keys), run.seed), []).append(run)
    return whole + [pooled_run(members) for members in folds.values()]


def reference_of(arms: Sequence[Arm], wanted: str | None) -> Arm:
    """The arm that is wanted where this test set has it, else cnn, else a plain one, else any."""
    names = [arm.name for arm in arms]
    for name in (wanted, "cnn"):
        if name in names:
            return arms[names.index(name)]
    plain = [arm for arm in arms if arm.runs[0].traits.get("model") == "cnn"]
    return (plain or list(arms))[0]
