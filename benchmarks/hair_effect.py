"""What hair removal does for the classifier, from results/runs.csv.

    python -m benchmarks.grid small --archive ZIP --arms harmonic,hair-dullrazor,hair-directional
    python -m benchmarks.hair_effect > results/hair_effect.md

The arms are one harmonic network trained on the same photographs, as they are (`harmonic`) and
after each method; test lesions and seeds are paired. `compare` keeps them apart, as their images
differ.
"""

import argparse
import sys
from pathlib import Path

import pandas as pd

from benchmarks.grid.answers import answers
from benchmarks.grid.table import read_runs
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.paired import STATISTICS, Difference, paired_difference

RESULTS = Path("results")
ARMS = {"none": "harmonic", "dullrazor": "hair-dullrazor", "directional": "hair-directional"}
REFERENCE = "none"
RESAMPLES = 2000


def effect(runs: pd.DataFrame, method: str, results: Path) -> dict[str, Difference]:
    """Each figure with a method less without, paired over test lesions and the seeds of both."""
    whole = runs[(runs.preset == "small") & runs.fold.isna()]
    seeds = [set(whole[whole.arm == ARMS[name]].seed) for name in (REFERENCE, method)]
    runs = whole[whole.seed.isin(seeds[0] & seeds[1])]
    truth, without = answers(runs, "small", ARMS[REFERENCE], results)
    same, after = answers(runs, "small", ARMS[method], results)
    if not truth.equals(same) or len(without) != len(after):
        raise InputError(f"{method}: other test images than {REFERENCE}")
    labels = truth.dx.map(CLASSES.index).to_numpy()
    return {
        name: paired_difference(
            *(labels, truth.lesion_id, without, after, statistic),
            resamples=RESAMPLES,
            seed=0,
            tested=True,
        )
        for name, statistic in STATISTICS.items()
    }


def page(runs: pd.DataFrame, results: Path) -> str:
    lines = [
        "# What hair removal does for the classifier",
        "",
        "`python -m benchmarks.hair_effect`, from the rows `small` of runs.csv: one small",
        "harmonic network, 64 × 64, ten epochs, the same test lesions; 95 % intervals over",
        "lesions and seeds together.",
        "",
        "| method | seeds | figure | none | with | difference | verdict |",
        "|---|--:|---|--:|--:|---|---|",
    ]
    for method in (name for name in ARMS if name != REFERENCE):
        for name, found in effect(runs, method, results).items():
            low, high = found.over_both or (float("nan"), float("nan"))  # one seed shows nothing
            shown = "no difference can be shown"
            if found.too_few:
                shown = f"too few to tell: {found.too_few}"
            elif found.over_both and found.told:
                shown = "better" if low > 0 else "worse"
            lines.append(
                f"| {method} | {len(found.per_seed)} | {name.replace('_', ' ')} "
                f"| {found.first:.3f} | {found.second:.3f} "
                f"| {found.value:+.3f} [{low:+.3f}, {high:+.3f}] | {shown} |"
            )
    return "\n".join([*lines, ""])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hair_effect",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(arguments)
    try:
        print(page(read_runs(RESULTS / "runs.csv"), RESULTS), end="")
    except InputError as error:
        print(f"hair_effect: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
