"""What hair removal does for the classifier.

The arms are one harmonic network trained on the same photographs, as they are (`harmonic`) and
after each method; test lesions and seeds are paired. `compare` keeps them apart, as their images
differ.
"""

from pathlib import Path

from harmonic.errors import InputError
from harmonic.evaluation.difference import Difference
from harmonic.evaluation.paired import STATISTICS
from harmonic.markdown import markdown_table
from studies.pages.reading import by_arm, difference_cell, paired, runs_of_study, written_lesions

REFERENCE = "harmonic"
METHODS = ("dullrazor", "directional")
HEADS = ["method", "seeds", "figure", "none", "with", "difference", "verdict"]
TEXT = """\
# What hair removal does for the classifier

`python -m studies pages hair_effect.md`, from `results/runs/small`: one small
harmonic network, 64 × 64, ten epochs, the same test lesions; 95 % intervals over
lesions and seeds together.

"""


def verdict(found: Difference) -> str:
    if found.too_few:
        return f"too few to tell: {found.too_few}"
    if not found.over_both or not found.told:
        return "no difference can be shown"
    return "better" if found.over_both[0] > 0 else "worse"


def page(results: Path) -> dict[str, str | bytes]:
    """Each figure with a method less without, paired over test lesions and the seeds of both."""
    arms = by_arm(runs_of_study(results, "small"))
    if missing := [arm for arm in (REFERENCE, *map("hair-{}".format, METHODS)) if arm not in arms]:
        raise InputError(f"no run of {missing[0]}: `python -m studies run small --arms …`")
    without, rows = arms[REFERENCE], []
    lesions = written_lesions(results, without[0])
    for method in METHODS:
        pairs = paired(without, arms[f"hair-{method}"], f"{method} and none")
        for name, statistic in STATISTICS.items():
            found = pairs.difference(statistic, lesions)
            rows.append(
                [
                    *(method, len(found.per_seed), name.replace("_", " ")),
                    *(f"{found.first:.3f}", f"{found.second:.3f}"),
                    difference_cell(found) if found.over_both else "–",  # one seed shows nothing
                    verdict(found),
                ]
            )
    return {"hair_effect.md": TEXT + markdown_table(HEADS, rows, right=("seeds", "none", "with"))}
