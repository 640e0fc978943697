"""What the runs with little data say, as tables and verdicts.

Differences are paired: two arms on the same split with the same seed. An interval is Student's t
over the pairs; splits share test images, so it is rather too narrow than too wide.
"""

import json

import numpy as np
import pandas as pd

from benchmarks.small_data.arms import ARMS
from harmonic.errors import InputError
from harmonic.evaluation.paired import SAME, seed_interval

REFERENCE = "plain"
INGREDIENTS = {
    "smaller kernels at the start": ("plain", "plain-scaled"),
    "a normalised harmonic first layer": ("plain", "plain-first"),
    "harmonic layers, orthonormal": ("plain", "ortho"),
    "harmonic layers, orthonormal, on top of the first layer": ("plain-first", "ortho-first"),
    "harmonic layers, L1-scaled, on top of the first layer": ("plain-first", "l1-first"),
    "all of GEM's": ("plain", "gem"),
}
SCORES = {"published test": "balanced_accuracy", "clean test": "clean_balanced_accuracy"}


def finished(runs: pd.DataFrame, preset: str) -> pd.DataFrame:
    """The rows of a preset, with what their overrides say as columns.

    Raises InputError where there are none.
    """
    rows = runs[runs.preset == f"small-data-{preset}"].reset_index(drop=True)
    if rows.empty:
        raise InputError(f"no rows small-data-{preset}: run `python -m benchmarks.small_data run`")
    said = pd.DataFrame([json.loads(text) for text in rows.overrides])
    return rows.join(said[["split", "images_per_class", "lr", "weight_decay"]])


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


def with_interval(points: pd.Series) -> str:
    """Mean and 95 % interval, in points."""
    interval = seed_interval(points)
    if interval is None:
        return "–"
    return f"{points.mean():+.1f} [{interval[0]:+.1f}, {interval[1]:+.1f}]"


def difference(rows: pd.DataFrame, first: str, second: str, score: str) -> str:
    """Cells of a table: mean with interval, number of pairs, and what it shows."""
    points = paired(rows, first, second, score)
    return f"{with_interval(points)} | {len(points)} | {verdict(points)}"


def scores(rows: pd.DataFrame) -> list[str]:
    """A row an arm: mean and deviation on both tests, and the rank."""
    lines = [
        "| arm | runs | published test | rank | clean test | rank |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    arms = [arm for arm in ARMS if arm in set(rows.arm)]
    by_arm = rows.groupby("arm")
    means = by_arm[list(SCORES.values())].mean()
    ranks = means.rank(ascending=False).astype(int)
    deviations = by_arm[list(SCORES.values())].std()
    for arm in arms:
        cells = [
            f"{100 * means.loc[arm, score]:.1f} ± {100 * deviations.loc[arm, score]:.1f} "
            f"| {ranks.loc[arm, score]}"
            for score in SCORES.values()
        ]
        lines.append(f"| {arm} | {len(by_arm.get_group(arm))} | {' | '.join(cells)} |")
    return lines


def others(rows: pd.DataFrame) -> list[str]:
    """The arms that have runs, in the order of ARMS, but for the one they are compared with."""
    return [arm for arm in ARMS if arm in set(rows.arm) and arm != REFERENCE]


def by_leak(rows: pd.DataFrame, arm: str) -> pd.Series:
    """How much further ahead of plain an arm is on the published test than on the clean one."""
    published, clean = (paired(rows, REFERENCE, arm, score) for score in SCORES.values())
    return published - clean


def leak(rows: pd.DataFrame) -> list[str]:
    """Does the leak change what is found? The same differences on both tests."""
    lines = [
        "| against plain | on | difference, points | pairs | verdict |",
        "|---|---|--:|--:|---|",
    ]
    for arm in others(rows):
        for name, score in SCORES.items():
            lines.append(f"| {arm} | {name} | {difference(rows, REFERENCE, arm, score)} |")
        points = by_leak(rows, arm)
        shown = "the leak favours it" if verdict(points) == "better" else verdict(points)
        shown = "the leak favours plain" if shown == "worse" else shown
        lines.append(
            f"| {arm} | first − second | {with_interval(points)} | {len(points)} | {shown} |"
        )
    return lines


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
    score = SCORES["clean test"]
    found: dict[str, list[str]] = {}
    for name, (first, second) in INGREDIENTS.items():
        shown = verdict(paired(rows, first, second, score))
        found.setdefault(shown, []).append(name)
    words = {
        "better": "Better with",
        "worse": "Worse with",
        UNSHOWN: "No difference can be shown for",
        "too few pairs": "Not run:",
    }
    return " ".join(f"{words[key]} {'; '.join(found[key])}." for key in words if key in found)


def ingredients(rows: pd.DataFrame) -> list[str]:
    lines = [
        "| ingredient | from → to | difference, points | pairs | verdict |",
        "|---|---|--:|--:|---|",
    ]
    for name, (first, second) in INGREDIENTS.items():
        found = difference(rows, first, second, "clean_balanced_accuracy")
        lines.append(f"| {name} | {first} → {second} | {found} |")
    return lines


def sizes(rows: pd.DataFrame) -> list[str]:
    """The gain of each arm by the number of training images a class, on the clean test."""
    lines = ["| images a class | against plain | difference, points | pairs | verdict |",
             "|--:|---|--:|--:|---|"]  # fmt: skip
    for count, part in rows.groupby("images_per_class"):
        for arm in others(part):
            found = difference(part, REFERENCE, arm, "clean_balanced_accuracy")
            lines.append(f"| {count} | {arm} | {found} |")
    return lines


def size_verdict(rows: pd.DataFrame) -> str:
    """For each arm with runs of several sizes: its gain with fewest images less that with most."""
    score = SCORES["clean test"]
    sentences = []
    for arm in others(rows):
        gains = {
            count: paired(part, REFERENCE, arm, score)
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
            f"{with_interval(growth)} points over {len(growth)} pairs: {words}."
        )
    return " ".join(sentences) or "Only one size was run."


def searched(runs: pd.DataFrame, preset: str) -> list[str]:
    """What the search found for each arm, and where that is the end of what was tried."""
    rows = runs[runs.preset == f"small-data-{preset}-search"].reset_index(drop=True)
    said = pd.DataFrame([json.loads(text) for text in rows.overrides])
    rows = rows.join(said[["lr", "weight_decay"]])
    lines = [
        "| arm | runs | learning rate | weight decay | balanced accuracy, validation |",
        "|---|--:|--:|--:|--:|",
    ]
    for arm in (arm for arm in ARMS if arm in set(rows.arm)):
        part = rows[rows.arm == arm]
        best = part.loc[part.val_balanced_accuracy.idxmax()]
        edge = " (the largest tried)" if best.lr == rows.lr.max() else ""
        edge = " (the smallest tried)" if best.lr == rows.lr.min() else edge
        score = 100 * best.val_balanced_accuracy
        lines.append(
            f"| {arm} | {len(part)} | {best.lr:g}{edge} | {best.weight_decay:g} | {score:.1f} |"
        )
    return lines
