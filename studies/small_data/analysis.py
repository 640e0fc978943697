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
    own = ["arm", "split", "images_per_class"]
    keys = [*(f"small_data.{key}" for key in own), "lr", "train.weight_decay"]
    rows = runs_table(runs, keys)
    said = rows[[f"params.{key}" for key in keys]]
    rows = rows.drop(columns=["arm", *said]).assign(
        **dict(zip([*own, "lr", "weight_decay"], (said[key] for key in said), strict=True))
    )
    numbers = {"images_per_class": int, "lr": float, "weight_decay": float}
    return rows.astype(numbers)


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


def difference(rows: pd.DataFrame, first: str, second: str, score: str) -> list[str]:
    """Cells of a table: mean with interval, number of pairs, and what it shows."""
    points = paired(rows, first, second, score)
    return [mean_of(points), str(len(points)), verdict(points)]


def present(rows: pd.DataFrame) -> list[str]:
    """The arms that have runs, in the order of ARMS."""
    return [arm for arm in ARMS if arm in set(rows.arm)]


def scores(rows: pd.DataFrame) -> str:
    """A row an arm: mean and deviation on both tests, and the rank."""
    lines = []
    by_arm = rows.groupby("arm")
    means = by_arm[list(SCORES.values())].mean()
    ranks = means.rank(ascending=False).astype(int)
    deviations = by_arm[list(SCORES.values())].std()
    for arm in present(rows):
        cells = []
        for score in SCORES.values():
            mean, deviation = 100 * means.loc[arm, score], 100 * deviations.loc[arm, score]
            cells += [f"{mean:.1f} ± {deviation:.1f}", str(ranks.loc[arm, score])]
        lines.append([arm, len(by_arm.get_group(arm)), *cells])
    heads = ["arm", "runs", "published test", "rank", "clean test", "rank"]
    return markdown_table(heads, lines, right=heads[1:])


def others(rows: pd.DataFrame) -> list[str]:
    """The arms that have runs, but for the one they are compared with."""
    return [arm for arm in present(rows) if arm != REFERENCE]


def by_leak(rows: pd.DataFrame, arm: str) -> pd.Series:
    """How much further ahead of plain an arm is on the published test than on the clean one."""
    published, clean = (paired(rows, REFERENCE, arm, score) for score in SCORES.values())
    return published - clean


def leak(rows: pd.DataFrame) -> str:
    """Does the leak change what is found? The same differences on both tests."""
    lines = []
    for arm in others(rows):
        for name, score in SCORES.items():
            lines.append([arm, name, *difference(rows, REFERENCE, arm, score)])
        points = by_leak(rows, arm)
        words = {"better": "the leak favours it", "worse": "the leak favours plain"}
        shown = words.get(verdict(points), verdict(points))
        lines.append([arm, "first − second", mean_of(points), str(len(points)), shown])
    return markdown_table(["against plain", "on", *FOUND], lines, right=FOUND[:2])


def leak_verdict(rows: pd.DataFrame) -> str:
    means = rows.groupby("arm")[list(SCORES.values())].mean()
    orders = [means[score].sort_values(ascending=False).index.tolist() for score in SCORES.values()]
    text = f"On the published test the order is {', '.join(orders[0])}; on the clean test it is "
    text += "the same." if orders[0] == orders[1] else f"{', '.join(orders[1])}."
    moved = [arm for arm in others(rows) if verdict(by_leak(rows, arm)) in ("better", "worse")]
    return text + (
        f" The leak changes the distance from plain of {', '.join(moved)}."
        if moved
        else " No arm's distance from plain is changed by the leak so that it could be shown."
    )


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
        [name, f"{first} → {second}", *difference(rows, first, second, CLEAN)]
        for name, (first, second) in INGREDIENTS.items()
    ]
    return markdown_table(["ingredient", "from → to", *FOUND], lines, right=FOUND[:2])


def sizes(rows: pd.DataFrame) -> str:
    """The gain of each arm by the number of training images a class, on the clean test."""
    lines = [
        [count, arm, *difference(part, REFERENCE, arm, CLEAN)]
        for count, part in rows.groupby("images_per_class")
        for arm in others(part)
    ]
    heads = ["images a class", "against plain", *FOUND]
    return markdown_table(heads, lines, right=("images a class", *FOUND[:2]))


def size_verdict(rows: pd.DataFrame) -> str:
    """For each arm with runs of several sizes: its gain with fewest images less that with most."""
    sentences = []
    for arm in others(rows):
        gains = {
            count: paired(part, REFERENCE, arm, CLEAN)
            for count, part in rows.groupby("images_per_class")
        }
        counts = [count for count, points in gains.items() if len(points)]
        if len(counts) < 2:
            continue
        least, most = min(counts), max(counts)
        growth = (gains[least] - gains[most]).dropna()
        words = {"better": "it grows", "worse": "it shrinks"}.get(verdict(growth), verdict(growth))
        sentences.append(
            f"{arm}: the gain over plain with {least} images a class less that with {most} is "
            f"{mean_of(growth)} points over {len(growth)} pairs: {words}."
        )
    return " ".join(sentences) or "Only one size was run."


def searched(rows: pd.DataFrame) -> str:
    """What the search found for each arm, and where that is the end of what was tried."""
    heads = ["arm", "runs", "learning rate", "weight decay", "balanced accuracy, validation"]
    lines = []
    for arm in present(rows):
        part = rows[rows.arm == arm]
        best = part.loc[part.val_balanced_accuracy.idxmax()]
        edge = " (the largest tried)" if best.lr == rows.lr.max() else ""
        edge = " (the smallest tried)" if best.lr == rows.lr.min() else edge
        score = 100 * best.val_balanced_accuracy
        found = (f"{best.lr:g}{edge}", f"{best.weight_decay:g}", f"{score:.1f}")
        lines.append([arm, len(part), *found])
    return markdown_table(heads, lines, right=heads[1:])
