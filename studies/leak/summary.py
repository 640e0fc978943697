"""What the siblings add, class by class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.checks import checked_probabilities
from harmonic.evaluation.difference import Difference
from harmonic.evaluation.paired import STATISTICS, paired_difference
from harmonic.evaluation.plots.differences import Row, forest_plot
from harmonic.evaluation.predictions import HEADER, PUBLISHED_TOLERANCE
from harmonic.evaluation.runs import Run
from harmonic.evaluation.weighted import Statistic, auc_of, sensitivity_of
from harmonic.markdown import markdown_table, with_interval
from studies.leak.trial import ARMS
from studies.pages.reading import by_arm, kept_answers, runs_of_studies

FEWEST = 20
"""Test images below which no figure is given."""
HEADS = ("figure", "test images", "with a sibling", "without leak", "with leak", "inflation")
LABEL = "with siblings in training − without"


@dataclass(frozen=True)
class Study:
    """All trainings on one pair of training sets; first axis of the probabilities: the seeds."""

    runs: list[Run]
    seeds: list[int]
    labels: NDArray[np.int64]
    lesions: NDArray[np.str_]
    has_sibling: NDArray[np.bool_]
    probabilities: dict[str, NDArray[np.float64]]


def read_study(results: Path) -> Study:
    """The study of results/runs/leak: the seeds that both arms have finished."""
    found = runs_of_studies(results, "leak", answers=False)
    arms = {arm: {run.seed: run for run in runs} for arm, runs in by_arm(found).items()}
    seeds = sorted(set.intersection(*(set(arms.get(arm, {})) for arm in ARMS)))
    if not seeds:
        raise InputError(f"leak: no seed is finished in both arms ({' and '.join(ARMS)})")
    tables = {arm: [kept_answers(results, arms[arm][seed]) for seed in seeds] for arm in ARMS}
    first = tables[ARMS[0]][0]
    for arm in ARMS:
        for seed, table in zip(seeds, tables[arm], strict=True):
            if not table[["image", "sibling"]].equals(first[["image", "sibling"]]):
                raise InputError(f"{arms[arm][seed].name} is not of the other runs' test images")
    return Study(
        runs=[arms[arm][seed] for seed in seeds for arm in ARMS],
        seeds=seeds,
        labels=first.dx.map(CLASSES.index).to_numpy(dtype=np.int64),
        lesions=first.lesion_id.to_numpy(dtype=str),
        has_sibling=first.sibling.to_numpy(dtype=bool),
        probabilities={arm: np.array([probabilities(one) for one in tables[arm]]) for arm in ARMS},
    )


def probabilities(table: pd.DataFrame) -> NDArray[np.float64]:
    return checked_probabilities(table[[*HEADER[1:]]], "leak", PUBLISHED_TOLERANCE)


Comparisons = list[tuple[str, int, float, Difference]]
"""Name, test images, share of them with a sibling, and difference of each figure."""


def comparisons(study: Study, resamples: int = 2000) -> Comparisons:
    sibling, balanced = study.has_sibling, STATISTICS["balanced_accuracy"]
    everything = np.ones(len(study.labels), dtype=bool)
    of_class = {label: study.labels == label for label in range(len(CLASSES))}
    named: list[tuple[str, Statistic, NDArray[np.bool_], NDArray[np.bool_]]] = [
        ("balanced accuracy, all test images", balanced, everything, everything),
        ("balanced accuracy, with a sibling in training", balanced, sibling, sibling),
        ("balanced accuracy, without", balanced, ~sibling, ~sibling),
        ("macro AUC, all test images", STATISTICS["macro_auc"], everything, everything),
    ]
    for title, kind in (("sensitivity", sensitivity_of), ("AUC", auc_of)):
        for label, counted in of_class.items():
            named.append((f"{title}, {CLASSES[label]}", kind(label), everything, counted))
    found = []
    for title, statistic, rows, counted in named:
        if counted.sum() < FEWEST:
            continue
        difference = paired_difference(
            study.labels[rows],
            study.lesions[rows],
            study.probabilities["clean"][:, rows],
            study.probabilities["leaky"][:, rows],
            statistic,
            resamples=resamples,
            seed=0,
        )
        found.append((title, int(counted.sum()), float(sibling[counted].mean()), difference))
    return found


def table(study: Study, found: Comparisons) -> str:
    """Markdown: what both arms have in common, and each figure with its inflation."""
    first = study.runs[0]
    of_arm = {run.traits["arm"]: run for run in study.runs}
    clean, leaky = of_arm["clean"].record, of_arm["leaky"].record
    told = first.traits
    commits = " and ".join(dict.fromkeys(run.commit for run in study.runs))
    text = (
        "# What siblings of the test lesions in training add\n\n"
        f"`python -m studies leak --archive ARCHIVE --seeds {len(study.seeds)} "
        f"--epochs {told['epochs']} --width {told['train.width']} "
        f"--image-size {told['image_size']} --design-seed {told['leak.design_seed']}`, "
        f"commit {commits}, data {first.record['data']}; all parameters are in "
        f"`results/runs/leak`. Training: {clean['training_images']} images of "
        f"{clean['training_lesions']} lesions without, {leaky['training_images']} of "
        f"{leaky['training_lesions']} with siblings; the same {len(study.labels)} test images of "
        f"{len(np.unique(study.lesions))} lesions, balanced rule. In brackets 95 % intervals "
        "over test lesions and over seeds together, each for itself: of so many figures one "
        "may exclude zero by chance.\n\n"
    )
    rows = []
    for title, count, share, difference in found:
        shown = with_interval(difference.value, *difference.interval, "+.3f")
        means = (f"{difference.first:.3f}", f"{difference.second:.3f}")
        rows.append([title, count, f"{share:.0%}", *means, shown])
    text += markdown_table(HEADS, rows, right=HEADS[1:])
    if len(study.seeds) == 1:
        text += "\nOne seed: the intervals hold the chance in the lesions alone.\n"
    return text


def inflations(found: Comparisons) -> list[Row]:
    """Name, inflation and interval of each figure, without the AUC of classes."""
    return [
        (title, difference.value, difference.interval)
        for title, _, _, difference in found
        if not title.startswith("AUC")
    ]


def page(results: Path) -> dict[str, str | bytes]:
    study = read_study(results)
    found = comparisons(study)
    return {"leak.md": table(study, found), "leak.svg": forest_plot(inflations(found), LABEL)}
