"""What the siblings add, class by class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.evaluation.difference import Difference
from harmonic.evaluation.paired import STATISTICS
from harmonic.evaluation.plots.differences import Row, forest_plot
from harmonic.evaluation.weighted import Statistic, auc_of, sensitivity_of
from harmonic.markdown import markdown_table
from studies.leak.trial import ARMS
from studies.pages.reading import (
    Pairs,
    by_arm,
    difference_cell,
    kept_answers,
    paired,
    plot_row,
    runs_of_study,
    written_lesions,
)

FEWEST = 20
"""Test images below which no figure is given."""
HEADS = ("figure", "test images", "with a sibling", "without leak", "with leak", "inflation")
LABEL = "with siblings in training − without"


@dataclass(frozen=True)
class Study:
    """All trainings on one pair of training sets, without and with siblings of test lesions."""

    pairs: Pairs
    labels: NDArray[np.int64]
    lesions: NDArray[np.str_]
    has_sibling: NDArray[np.bool_]


def read_study(results: Path) -> Study:
    """The study of results/runs/leak: the seeds that both arms have finished."""
    arms = by_arm(runs_of_study(results, "leak"))
    pairs = paired(arms.get(ARMS[0], []), arms.get(ARMS[1], []), " and ".join(ARMS))
    first, answers = pairs.runs[0][0], pairs.answers[0][0]
    sibling = kept_answers(results, first).set_index("image").sibling.loc[answers.image_ids]
    lesions = written_lesions(results, first)
    return Study(pairs, answers.labels, lesions, sibling.to_numpy(dtype=bool))


Comparisons = list[tuple[str, int, float, Difference]]
"""Name, test images, share of them with a sibling, and difference of each figure."""


def comparisons(study: Study) -> Comparisons:
    sibling, balanced = study.has_sibling, STATISTICS["balanced_accuracy"]
    everything = np.ones(len(study.labels), dtype=bool)
    named: list[tuple[str, Statistic, NDArray[np.bool_], NDArray[np.bool_]]] = [
        ("balanced accuracy, all test images", balanced, everything, everything),
        ("balanced accuracy, with a sibling in training", balanced, sibling, sibling),
        ("balanced accuracy, without", balanced, ~sibling, ~sibling),
        ("macro AUC, all test images", STATISTICS["macro_auc"], everything, everything),
    ]
    for title, kind in (("sensitivity", sensitivity_of), ("AUC", auc_of)):
        for label, name in enumerate(CLASSES):
            named.append((f"{title}, {name}", kind(label), everything, study.labels == label))
    return [
        (
            *(title, int(counted.sum()), float(sibling[counted].mean())),
            study.pairs.difference(statistic, study.lesions, rows),
        )
        for title, statistic, rows, counted in named
        if counted.sum() >= FEWEST
    ]


def table(study: Study, found: Comparisons) -> str:
    """Markdown: what both arms have in common, and each figure with its inflation."""
    runs, (without, leaky) = study.pairs.runs, study.pairs.runs[-1]
    told, clean, added = runs[0][0].traits, without.record, leaky.record
    commits = " and ".join(dict.fromkeys(run.commit for pair in runs for run in pair))
    text = (
        "# What siblings of the test lesions in training add\n\n"
        f"`python -m studies leak --archive ARCHIVE --seeds {len(runs)} "
        f"--epochs {told['epochs']} --width {told['train.width']} "
        f"--image-size {told['image_size']} --design-seed {told['leak.design_seed']}`, "
        f"commit {commits}, data {clean['data']}; all parameters are in "
        f"`results/runs/leak`. Training: {clean['training_images']} images of "
        f"{clean['training_lesions']} lesions without, {added['training_images']} of "
        f"{added['training_lesions']} with siblings; the same {len(study.labels)} test images of "
        f"{len(np.unique(study.lesions))} lesions, balanced rule. In brackets 95 % intervals "
        "over test lesions and over seeds together, each for itself: of so many figures one "
        "may exclude zero by chance.\n\n"
    )
    rows = [
        [
            *(title, count, f"{share:.0%}", f"{one.first:.3f}", f"{one.second:.3f}"),
            difference_cell(one),
        ]
        for title, count, share, one in found
    ]
    text += markdown_table(HEADS, rows, right=HEADS[1:])
    text += "".join(
        f"\nNothing is told of {title}: {reason}.\n"
        for title, _, _, one in found
        if (reason := one.too_few or one.against)
    )
    if len(runs) == 1:
        text += "\nOne seed: the intervals hold the chance in the lesions alone.\n"
    return text


def inflations(found: Comparisons) -> list[Row]:
    """The inflation of each figure, without the AUC of classes."""
    return [plot_row(title, one) for title, _, _, one in found if title[:3] != "AUC"]


def page(results: Path) -> dict[str, str | bytes]:
    study = read_study(results)
    found = comparisons(study)
    return {"leak.md": table(study, found), "leak.svg": forest_plot(inflations(found), LABEL)}
