"""Two records of one pipeline, stage by stage: where do they part, and in what?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from stages.harness.pipeline import Recorded

SAME = "same"
WITHIN = "within tolerance"
STALE = "recorded before a change"
DIFFERENT = "different"
MISSING = "did not run"

TOLERANCES = Path(__file__).with_name("tolerances.yaml")


@dataclass(frozen=True)
class Verdict:
    """What became of one stage."""

    stage: str
    status: str
    outputs: Sequence[str] = ()
    """Paths whose bytes differ."""
    changes: Sequence[str] = ()
    """What the stage was made from then and is not now; a line each."""
    inputs: Sequence[str] = ()
    """Data of earlier stages that differ already."""


Stages = Mapping[str, Recorded]


def compare(then: Stages, now: Stages, *, tolerated: Sequence[str] = ()) -> list[Verdict]:
    """A verdict for every stage of `then`, in pipeline order; dvc.lock sorts by finish.

    `tolerated`: stages whose metrics were found within tolerance, so that bytes may differ.
    """
    order = TopologicalSorter({name: earlier(then, name) for name in then}).static_order()
    made = {path for stage in then.values() for path in stage.outs}
    return [
        verdict(name, then[name], now[name], made, name in tolerated)
        if name in now
        else Verdict(name, MISSING)
        for name in order
    ]


def verdict(name: str, then: Recorded, now: Recorded, made: set[str], tolerated: bool) -> Verdict:
    outs, deps = changed(then.outs, now.outs), changed(then.deps, now.deps)
    changes = [f"code {path}" for path in deps if path not in made]
    changes += [
        f"parameter {key}: {then.params.get(key, 'none')} → {now.params.get(key, 'none')}"
        for key in changed(then.params, now.params)
    ]
    changes += ["the command in dvc.yaml"] * (then.command != now.command)
    status = STALE if changes else SAME
    if outs:
        status = WITHIN if tolerated and not changes else DIFFERENT
    return Verdict(name, status, outs, changes, [path for path in deps if path in made])


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [key for key in {**then, **now} if then.get(key) != now.get(key)]


def earlier(stages: Stages, name: str) -> list[str]:
    """The stages whose outputs a stage reads."""
    return [other for other, stage in stages.items() if stage.outs.keys() & stages[name].deps]


def needed_for(stages: Stages, last: str) -> dict[str, Recorded]:
    """A stage and all stages that it depends on, directly or through others."""
    found = {last: stages[last]}
    for name in earlier(stages, last):
        found |= needed_for(stages, name)
    return found


def first_parting(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The first stage, in pipeline order, that is not as it was."""
    return next((found for found in verdicts if found.status not in (SAME, WITHIN)), None)


def table(verdicts: Sequence[Verdict]) -> str:
    width = max(len(found.stage) for found in verdicts)
    return "\n".join(
        f"{found.stage:{width}}  {found.status:24}  {', '.join(found.outputs)}".rstrip()
        for found in verdicts
    )


def explanation(parting: Verdict, environment: Sequence[str]) -> list[str]:
    """Why the first stage that parts does so, as far as records tell; a line each."""
    found = [*parting.changes, *(f"input {path}" for path in parting.inputs), *environment]
    return found or [
        "nothing that is recorded differs: code, parameters, inputs, packages and machine are the "
        "same, so it reads a file that dvc.yaml does not list, or depends on chance"
    ]


def read_tolerances() -> dict[str, Any]:
    """Which `stages` may differ in their bytes, and by how much `metrics` may differ then."""
    found: dict[str, Any] = YAML(typ="safe", pure=True).load(TOLERANCES)
    return found


class Apart(NamedTuple):
    """One metric in two runs."""

    name: str
    then: float
    now: float
    allowed: float

    def within(self) -> bool:
        return abs(self.now - self.then) <= self.allowed

    def __str__(self) -> str:
        beyond = "" if self.within() else "beyond tolerance: "
        return f"{beyond}{self.name} {self.then:.4f} → {self.now:.4f} (±{self.allowed:g} allowed)"


def metrics_apart(then: Mapping[str, float], now: Mapping[str, float]) -> list[Apart]:
    """Every metric that has a tolerance, then and now; NaN, which is never within, if missing."""
    nan = float("nan")
    return [
        Apart(name, then.get(name, nan), now.get(name, nan), allowed)
        for name, allowed in read_tolerances()["metrics"].items()
    ]
