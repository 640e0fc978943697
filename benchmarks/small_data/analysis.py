"""What the runs with little data say, as a page: every figure from results/runs.csv.

    python -m benchmarks.small_data.analysis > results/small_data.md

Differences are paired: two arms on the same split with the same seed. An interval is Student's t
over the pairs; splits share test images, so it is rather too narrow than too wide.
"""

import json
import sys
from pathlib import Path

import pandas as pd

from benchmarks.grid.table import read_runs
from benchmarks.small_data.arms import ARMS
from benchmarks.small_data.splits import LARGEST
from harmonic.errors import InputError
from harmonic.evaluation.paired import seed_interval

RUNS = Path("results/runs.csv")
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


def difference(rows: pd.DataFrame, first: str, second: str, score: str) -> str:
    """As text: mean, 95 % interval, number of pairs, and what it shows."""
    points = paired(rows, first, second, score)
    interval = seed_interval(points)
    if interval is None:
        return f"– | {len(points)} | too few pairs"
    low, high = interval
    verdict = "no difference can be shown"
    if low > 0 or high < 0:
        verdict = f"{'better' if low > 0 else 'worse'}"
    return f"{points.mean():+.1f} [{low:+.1f}, {high:+.1f}] | {len(points)} | {verdict}"


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


def leak(rows: pd.DataFrame) -> list[str]:
    """Does the leak change what is found? The same differences on both tests."""
    lines = [
        "| against plain | on | difference, points | pairs | verdict |",
        "|---|---|--:|--:|---|",
    ]
    for arm in (arm for arm in ARMS if arm in set(rows.arm) and arm != REFERENCE):
        for name, score in SCORES.items():
            lines.append(f"| {arm} | {name} | {difference(rows, REFERENCE, arm, score)} |")
    return lines


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
        for arm in (arm for arm in ARMS if arm in set(part.arm) and arm != REFERENCE):
            found = difference(part, REFERENCE, arm, "clean_balanced_accuracy")
            lines.append(f"| {count} | {arm} | {found} |")
    return lines


def page(rows: pd.DataFrame, preset: str) -> str:
    largest = rows[rows.images_per_class == LARGEST]
    commits = ", ".join(sorted(set(rows.commit)))
    return "\n".join(
        [
            f"## Preset {preset}: {len(rows)} runs, commit {commits}",
            "",
            f"Balanced accuracy in per cent, {LARGEST} images a class, mean ± deviation.",
            "",
            *scores(largest),
            "",
            "### Does the leak change the ranking?",
            "",
            *leak(largest),
            "",
            "### Which ingredient carries a gain? (clean test)",
            "",
            *ingredients(largest),
            "",
            "### Does a gain grow as data shrink? (clean test)",
            "",
            *sizes(rows),
            "",
        ]
    )


def main() -> int:
    runs = read_runs(RUNS)
    presets = [name for name in ("full", "small") if (runs.preset == f"small-data-{name}").any()]
    try:
        for preset in presets or ["small"]:
            print(page(finished(runs, preset), preset))
    except InputError as error:
        print(f"small_data: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
