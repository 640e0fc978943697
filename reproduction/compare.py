"""Two records of one pipeline, stage by stage: where do they part, and in what?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reproduction.lock import Recorded

SAME = "same"
WITHIN = "within tolerance"
STALE = "recorded before a change"
DIFFERENT = "different"
MISSING = "did not run"
EXEMPT = "not compared"

PASSED = (SAME, WITHIN, EXEMPT)
REPORT = "report"
"""Shows dates and speeds, and so is made anew but not compared."""


@dataclass(frozen=True)
class Verdict:
    """What became of one stage."""

    stage: str
    status: str
    outputs: list[str] = field(default_factory=list)
    """Paths whose bytes differ."""
    changes: list[str] = field(default_factory=list)
    """What the stage was made from then and is not now; a line each."""
    inputs: list[str] = field(default_factory=list)
    """Data of earlier stages that differ already."""


def compare(
    then: Mapping[str, Recorded],
    now: Mapping[str, Recorded],
    *,
    tolerated: Sequence[str] = (),
) -> list[Verdict]:
    """A verdict for every stage of `then`, in pipeline order.

    `tolerated`: stages whose metrics were found within tolerance, so that bytes may differ.
    """
    made = {path for stage in then.values() for path in stage.outs}
    return [verdict(name, then[name], now.get(name), made, tolerated) for name in ordered(then)]


def verdict(
    name: str,
    then: Recorded,
    now: Recorded | None,
    made: set[str],
    tolerated: Sequence[str],
) -> Verdict:
    if now is None:
        return Verdict(name, MISSING)
    outs = changed(then.outs, now.outs)
    deps = changed(then.deps, now.deps)
    inputs = [path for path in deps if path in made]
    changes = [f"code {path}" for path in deps if path not in made]
    changes += [
        f"parameter {key}: {then.params.get(key, 'none')} → {now.params.get(key, 'none')}"
        for key in changed(then.params, now.params)
    ]
    if then.command != now.command:
        changes.append("the command in dvc.yaml")
    if name == REPORT and not changes:
        status = EXEMPT
    elif not outs:
        status = STALE if changes else SAME
    else:
        status = WITHIN if name in tolerated and not changes else DIFFERENT
    return Verdict(name, status, outs, changes, inputs)


def changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [key for key in {**then, **now} if then.get(key) != now.get(key)]


def ordered(stages: Mapping[str, Recorded]) -> list[str]:
    """Names so that every stage follows those whose outputs it reads; dvc.lock sorts by finish."""
    makers = {path: name for name, stage in stages.items() for path in stage.outs}
    done: list[str] = []

    def place(name: str) -> None:
        if name not in done:
            for path in stages[name].deps:
                if path in makers:
                    place(makers[path])
            done.append(name)

    for name in stages:
        place(name)
    return done


def needed_for(stages: Mapping[str, Recorded], last: str) -> dict[str, Recorded]:
    """A stage and all stages that it depends on, directly or through others."""
    makers = {path: name for name, stage in stages.items() for path in stage.outs}
    found: dict[str, Recorded] = {}
    waiting = [last]
    while waiting:
        name = waiting.pop()
        found[name] = stages[name]
        waiting += [makers[path] for path in stages[name].deps if path in makers]
    return found


def first_parting(verdicts: Sequence[Verdict]) -> Verdict | None:
    """The first stage, in pipeline order, that is not as it was."""
    return next((found for found in verdicts if found.status not in PASSED), None)


def table(verdicts: Sequence[Verdict]) -> str:
    width = max(len(found.stage) for found in verdicts)
    lines = []
    for found in verdicts:
        beside = ", ".join(found.outputs) if found.status not in (SAME, EXEMPT) else ""
        lines.append(f"{found.stage:{width}}  {found.status:24}  {beside}".rstrip())
    return "\n".join(lines)


def explanation(
    parting: Verdict, environment: Sequence[str], unlisted_reads: Sequence[str]
) -> list[str]:
    """Why the first stage that parts does so, as far as records tell; a line each."""
    found = [
        *parting.changes,
        *(f"it reads {path}, which dvc.yaml does not list" for path in unlisted_reads),
        *(f"input {path}" for path in parting.inputs),
        *environment,
    ]
    return found or [
        "nothing that is recorded differs: code, parameters, inputs, packages and machine are the "
        "same, so it depends on something unlisted or on chance"
    ]
