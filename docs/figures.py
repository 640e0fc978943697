"""Figures for the pages, read from results/: what a page says is what its run or table says.

A result page is Markdown that a command made, with its command at the top. `row` takes a line of
one of its tables, `words` the figures in its sentences; what no page shows comes from the runs.
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from harmonic.errors import InputError
from harmonic.evaluation.comparison import Pair, compare
from harmonic.evaluation.runs import Run, read_runs

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"


@cache
def runs_of(preset: str) -> list[Run]:
    return read_runs([str(RESULTS / "runs" / preset)])


def of_arm(preset: str, arm: str) -> list[Run]:
    """The runs of an arm, without those of folds."""
    return [run for run in runs_of(preset) if run.fold is None and run.traits["arm"] == arm]


@cache
def earlier(preset: str, arms: tuple[str, ...], seeds: int) -> Pair:
    """What the comparison of two arms said when their first so many seeds were all there were."""
    chosen = [run for arm in arms for run in of_arm(preset, arm) if run.seed < seeds]
    (section,) = compare(chosen, metrics=["balanced_accuracy"])
    (pair,) = section.pairs
    return pair


def all_above(preset: str, arm: str, other: str, name: str) -> bool:
    """Whether every run of one arm has more of a metric than every run of another."""
    higher, lower = ([run.metrics[name] for run in of_arm(preset, one)] for one in (arm, other))
    return min(higher) > max(lower)


def metric(preset: str, arm: str, name: str) -> float:
    """A metric on which all runs of an arm agree, such as what always naming one class gives."""
    values = {run.metrics[name] for run in of_arm(preset, arm) if name in run.metrics}
    if len(values) != 1:
        raise InputError(f"{preset}, {arm}: {name} has {len(values)} values; one is needed")
    return values.pop()


def published() -> list[dict[str, Any]]:
    """The single longer runs of the pipeline: what run.json says, model, and metrics."""
    runs = runs_of("pipeline")
    return [{**run.record, "model": run.traits["arm"], "metrics": run.metrics} for run in runs]


def text_of(page: str, section: str = "") -> str:
    """A page of results/, or its part from the heading that starts so to the next of its rank."""
    path = RESULTS / page
    if not path.is_file():
        raise InputError(f"results/{page}: no such page")
    text = path.read_text(encoding="utf-8")
    if not section:
        return text
    found = re.search(rf"^(#+) {re.escape(section)}.*?(?=^\1 |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise InputError(f"results/{page}: no heading starts with {section!r}")
    return found[0]


def rows(page: str, section: str = "") -> list[dict[str, str]]:
    """The rows of all tables of a page, each cell under its column's head, without bold."""
    found, heads = [], None
    for line in text_of(page, section).splitlines():
        if not line.startswith("|"):
            heads = None
            continue
        cells = [cell.strip().strip("*") for cell in line.strip().strip("|").split("|")]
        if heads is None:  # a head that comes again is counted: "× plain", "× plain 2"
            counts = [cells[: place + 1].count(head) for place, head in enumerate(cells)]
            heads = [
                f"{head} {n}" if n > 1 else head for head, n in zip(cells, counts, strict=True)
            ]
        elif set(line) - set("|-: "):
            found.append(dict(zip(heads, cells, strict=False)))
    return found


def row(page: str, cells: Mapping[str, str], section: str = "") -> dict[str, str]:
    """The only row of a page with these cells; InputError where there is none, or several."""
    found = [one for one in rows(page, section) if cells.items() <= one.items()]
    if len(found) != 1:
        asked = ", ".join(f"{head} = {cell}" for head, cell in cells.items())
        raise InputError(f"results/{page}: {len(found)} rows with {asked}; one is needed")
    return found[0]


def lines(page: str, beginning: str) -> str:
    """Of a page's only table of that kind, the head and the rows that begin so, as they stand."""
    found = [line for line in text_of(page).splitlines() if line.startswith("|")]
    kept = [line for line in found if line.startswith(f"| {beginning}")]
    if not kept:
        raise InputError(f"results/{page}: no row begins with {beginning!r}")
    return "\n".join([*found[:2], *kept])


def between(page: str, first: str, last: str) -> str:
    """A page's text from the first words to before the last, as it stands."""
    _, start, rest = text_of(page).partition(first)
    found, end, _ = rest.partition(last)
    if not start or not end:
        raise InputError(f"results/{page}: {first!r} … {last!r} are not there in this order")
    return (start + found).rstrip()


def words(page: str, pattern: str, section: str = "") -> str:
    """What a pattern's group matches in a page, line ends read as spaces."""
    found = re.search(pattern, " ".join(text_of(page, section).split()))
    if found is None:
        raise InputError(f"results/{page}: nothing matches {pattern!r}")
    return found[1]


def command(page: str) -> str:
    """The command at the top of a page, which made it."""
    return words(page, r"`([^`]*\bpython -m [^`]*)`")
