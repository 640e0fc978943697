"""What hair removal does for the classifier.

The arms are one harmonic network trained on the same photographs, as they are (`harmonic`) and
after each method; test lesions and seeds are paired. `compare` keeps them apart, as their images
differ.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.difference import Difference
from harmonic.evaluation.paired import STATISTICS, paired_difference
from harmonic.evaluation.runs import Run
from harmonic.markdown import markdown_table, with_interval
from studies.pages.reading import by_arm, runs_of_studies, written_lesions

ARMS = {"none": "harmonic", "dullrazor": "hair-dullrazor", "directional": "hair-directional"}
REFERENCE = "none"
RESAMPLES = 2000
HEADS = ["method", "seeds", "figure", "none", "with", "difference", "verdict"]
TEXT = """\
# What hair removal does for the classifier

`python -m studies pages hair_effect.md`, from `results/runs/small`: one small
harmonic network, 64 × 64, ten epochs, the same test lesions; 95 % intervals over
lesions and seeds together.

"""


def shared_answers(
    without: Sequence[Run], after: Sequence[Run], method: str
) -> list[list[Answers]]:
    """The answers of the seeds that both arms have, in their order."""
    seeds = {run.seed for run in without} & {run.seed for run in after}
    found = [
        [run.answers for run in sorted(runs, key=lambda one: one.seed) if run.seed in seeds]
        for runs in (without, after)
    ]
    if not seeds or any(one is None for arm in found for one in arm):
        raise InputError(f"{method}: no seed with answers that {REFERENCE} has, too")
    answers = [[one for one in arm if one is not None] for arm in found]
    images = answers[0][0].image_ids.tolist()
    if any(one.image_ids.tolist() != images for arm in answers for one in arm):
        raise InputError(f"{method}: other test images than {REFERENCE}")
    return answers


def verdict(found: Difference) -> str:
    if found.too_few:
        return f"too few to tell: {found.too_few}"
    if not found.over_both or not found.told:
        return "no difference can be shown"
    return "better" if found.over_both[0] > 0 else "worse"


def page(results: Path) -> dict[str, str | bytes]:
    """Each figure with a method less without, paired over test lesions and the seeds of both."""
    arms = by_arm([run for run in runs_of_studies(results, "small") if run.fold is None])
    if missing := [arm for arm in ARMS.values() if arm not in arms]:
        raise InputError(f"no run of {missing[0]}: `python -m studies run small --arms …`")
    without, rows = arms[ARMS[REFERENCE]], []
    lesions = written_lesions(results, without[0])
    for method in (name for name in ARMS if name != REFERENCE):
        answers = shared_answers(without, arms[ARMS[method]], method)
        labels = answers[0][0].labels
        before, later = (np.array([one.balanced for one in arm]) for arm in answers)
        for name, statistic in STATISTICS.items():
            found = paired_difference(
                *(labels, lesions, before, later, statistic),
                resamples=RESAMPLES,
                seed=0,
            )
            low, high = found.over_both or (float("nan"), float("nan"))  # one seed shows nothing
            rows.append(
                [
                    *(method, len(found.per_seed), name.replace("_", " ")),
                    *(f"{found.first:.3f}", f"{found.second:.3f}"),
                    *(with_interval(found.value, low, high, "+.3f"), verdict(found)),
                ]
            )
    return {"hair_effect.md": TEXT + markdown_table(HEADS, rows, right=("seeds", "none", "with"))}
