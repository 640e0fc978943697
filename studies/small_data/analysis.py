"""What the runs with little data say, as tables and verdicts.

Differences are paired: two arms on the same split with the same seed. An interval is Student's t
over the pairs; splits share test images, so it is rather too narrow than too wide.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from harmonic.evaluation.difference import seed_interval
from harmonic.evaluation.exchange import SAME
from harmonic.evaluation.runs import Run, runs_table
from harmonic.markdown import markdown_table, with_interval
from studies.small_data.arms import ARMS

REFERENCE = "plain"
INGREDIENTS = {
    "smaller kernels at the start": ("plain", "plain-scaled"),
    "a normalised harmonic first layer": ("plain", "plain-first"),
    "harmonic layers, orthonormal": ("plain", "ortho"),
    "harmonic layers, orthonormal, on top of the first layer": ("plain-first", "ortho-first"),
    "harmonic layers, L1-scaled, on top of the first layer": ("plain-first", "l1-first"),
    "all of GEM's": ("plain", "gem"),
}
CLEAN = "clean_balanced_accuracy"
SCORES = {"published test": "balanced_accuracy", "clean test": CLEAN}


def finished(runs: Sequence[Run]) -> pd.DataFrame:
    """One row per run, with what the study says of it as columns; arms as ARMS has them."""
    own = {f"small_data.{name}": name for name in ("arm", "split", "images_per_class")}
    names = own | {"lr": "lr", "train.weight_decay": "weight_decay"}
    rows = runs_table(runs, list(names)).drop(columns="arm")
    rows = rows.rename(columns={f"params.{key}": name for key, name in names.items()})
    return rows.astype({"images_per_class": int, "lr": float, "weight_decay": float})


def paired(rows: pd.DataFrame, first: str, second: str, score: str) -> pd.Series:
    """Second minus first on every split and seed that both have, in points."""
    table = rows.pivot_table(index=["split", "seed"], columns="arm", values=score)
    if first not in table or second not in table:
        return pd.Series(dtype=float)
    return ((table[second] - table[first]) * 100).dropna()


UNSHOWN = "no difference can be shown"


def verdict(points: pd.Series) -> str:
    """What paired differences show: "better", "worse", UNSHOWN, or "too few pairs"."""
    interval = seed_interval(points)
    if interval is None or np.ptp(points) < SAME:
        return "too few pairs"
    low, high = interval
    return "better" if low > 0 else "worse" if high < 0 else UNSHOWN


def mean_of(points: pd.Series) -> str:
    """Mean and 95 % interval, in points."""
    interval = seed_interval(points)
    return "–" if interval is None else with_interval(points.mean(), *interval, "+.1f")


FOUND = ["difference, points", "pairs", "verdict"]
"""Heads of the cells of `difference`."""


def difference(points: pd.Series, **words: str) -> list[str]:
    """Cells of a table: mean with interval, number of pairs, and what it shows, or its word."""
    return [mean_of(points), str(len(points)), words.get(verdict(points), verdict(points))]


def present(rows: pd.DataFrame) -> list[str]:
    """The arms that have runs, in the order of ARMS."""
    return [arm for arm in ARMS if arm in set(rows.arm)]


def others(rows: pd.DataFrame) -> list[str]:
    """The arms that have runs, but for the one they are compared with."""
    return [arm for arm in present(rows) if arm != REFERENCE]


def scores(rows: pd.DataFrame) -> str:
    """A row an arm: mean and deviation on both tests, and the rank."""
    by_arm = (rows.set_index("arm")[list(SCORES.values())] * 100).groupby("arm")
    means, deviations, counts = by_arm.mean(), by_arm.std(), by_arm.size()
    ranks = means.rank(ascending=False).astype(int)
    lines = []
    for arm in present(rows):
        pairs = zip(means.loc[arm], deviations.loc[arm], ranks.loc[arm], strict=True)
        cells = [(f"{mean:.1f} ± {deviation:.1f}", rank) for mean, deviation, rank in pairs]
        lines.append([arm, counts[arm], *cells[0], *cells[1]])
    heads = ["arm", "runs", "published test", "rank", "clean test", "rank"]
    return markdown_table(heads, lines, right=heads[1:])


def by_leak(rows: pd.DataFrame, arm: str) -> pd.Series:
    """How much further ahead of plain an arm is on the published test than on the clean one."""
    published, clean = (paired(rows, REFERENCE, arm, score) for score in SCORES.values())
    return published - clean


def leak(rows: pd.DataFrame) -> str:
    """Does the leak change what is found? The same differences on both tests."""
    words = {"better": "the leak favours it", "worse": "the leak favours plain"}
    lines = []
    for arm in others(rows):
        for name, score in SCORES.items():
            lines.append([arm, name, *difference(paired(rows, REFERENCE, arm, score))])
        lines.append([arm, "first − second", *difference(by_leak(rows, arm), **words)])
    return markdown_table(["against plain", "on", *FOUND], lines, right=FOUND[:2])


def leak_verdict(rows: pd.DataFrame) -> str:
    means = rows.groupby("arm")[list(SCORES.values())].mean()
    first, second = (", ".join(means.sort_values(one, ascending=False).index) for one in means)
    text = f"On the published test the order is {first}; on the clean test it is "
    text += "the same." if first == second else f"{second}."
    moved = [arm for arm in others(rows) if verdict(by_leak(rows, arm)) in ("better", "worse")]
    if moved:
        return f"{text} The leak changes the distance from plain of {', '.join(moved)}."
    return f"{text} No arm's distance from plain is changed by the leak so that it could be shown."


def ingredient_verdict(rows: pd.DataFrame) -> str:
    """One sentence a finding: what helps, what harms, what cannot be told."""
    found: dict[str, list[str]] = {}
    for name, (first, second) in INGREDIENTS.items():
        found.setdefault(verdict(paired(rows, first, second, CLEAN)), []).append(name)
    words = {
        "better": "Better with",
        "worse": "Worse with",
        UNSHOWN: "No difference can be shown for",
        "too few pairs": "Not run:",
    }
    return " ".join(f"{words[key]} {'; '.join(found[key])}." for key in words if key in found)


def ingredients(rows: pd.DataFrame) -> str:
    lines = [
        [name, f"{first} → {second}", *difference(paired(rows, first, second, CLEAN))]
        for name, (first, second) in INGREDIENTS.items()
    ]
    return markdown_table(["ingredient", "from → to", *FOUND], lines, right=FOUND[:2])


def sizes(rows: pd.DataFrame) -> str:
    """The gain of each arm by the number of training images a class, on the clean test."""
    lines = [
        [size, arm, *difference(paired(part, REFERENCE, arm, CLEAN))]
        for size, part in rows.groupby("images_per_class")
        for arm in others(part)
    ]
    heads = ["images a class", "against plain", *FOUND]
    return markdown_table(heads, lines, right=("images a class", *FOUND[:2]))


def size_verdict(rows: pd.DataFrame) -> str:
    """For each arm with runs of several sizes: its gain with fewest images less that with most."""
    words = {"better": "it grows", "worse": "it shrinks"}
    sentences = []
    for arm in others(rows):
        by_size = rows[rows.arm.isin([REFERENCE, arm])].groupby("images_per_class")
        gains = {size: paired(part, REFERENCE, arm, CLEAN) for size, part in by_size}
        found = {size: points for size, points in gains.items() if len(points)}
        if len(found) > 1:
            least, most = min(found), max(found)
            growth, pairs, shown = difference((found[least] - found[most]).dropna(), **words)
            sentences.append(
                f"{arm}: the gain over plain with {least} images a class less that with {most} is "
                f"{growth} points over {pairs} pairs: {shown}."
            )
    return " ".join(sentences) or "Only one size was run."


def searched(rows: pd.DataFrame) -> str:
    """What the search found for each arm, and where that is the end of what was tried."""
    edges = {rows.lr.max(): " (the largest tried)", rows.lr.min(): " (the smallest tried)"}
    heads = ["arm", "runs", "learning rate", "weight decay", "balanced accuracy, validation"]
    lines = []
    for arm in present(rows):
        part = rows[rows.arm == arm]
        best = part.loc[part.val_balanced_accuracy.idxmax()]
        rate = f"{best.lr:g}{edges.get(best.lr, '')}"
        score = f"{100 * best.val_balanced_accuracy:.1f}"
        lines.append([arm, len(part), rate, f"{best.weight_decay:g}", score])
    return markdown_table(heads, lines, right=heads[1:])
