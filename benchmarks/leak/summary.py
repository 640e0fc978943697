"""results/leak.csv and its predictions summed up: what the siblings add, class by class."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.leak.trial import ARMS
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.paired import (
    STATISTICS,
    Difference,
    Statistic,
    auc_of,
    paired_difference,
    sensitivity_of,
)
from harmonic.evaluation.plots.differences import Row, forest_plot
from harmonic.evaluation.predictions import PUBLISHED_TOLERANCE, read_predictions

FEWEST = 20
"""Test images below which no figure is given."""
LABEL = "with siblings in training − without"


@dataclass(frozen=True)
class Study:
    """All trainings on one pair of training sets; first axis of the probabilities: the seeds."""

    name: str
    runs: pd.DataFrame
    labels: NDArray[np.int64]
    lesions: NDArray[np.str_]
    has_sibling: NDArray[np.bool_]
    probabilities: dict[str, NDArray[np.float64]]


def read_studies(results: Path) -> list[Study]:
    """The studies of results/leak.csv of which both arms have a finished seed in common."""
    path = results / "leak.csv"
    if not path.is_file():
        raise InputError(f"{path} is not there: give --archive to make it")
    studies = []
    for name, rows in pd.read_csv(path).groupby("study", sort=False):
        runs = rows[rows.groupby("seed").arm.transform("nunique") == len(ARMS)]
        if runs.empty:
            continue
        place = results / "predictions" / f"leak-{name}" / "truth.csv.gz"
        if not place.is_file():
            raise InputError(f"{place}, the test images of a study in {path}, is not there")
        truth = pd.read_csv(place)
        found: dict[str, list[NDArray[np.float64]]] = {arm: [] for arm in ARMS}
        for run in runs.sort_values("seed").itertuples():
            image_ids, rows_of_run = read_predictions(
                results / str(run.predictions), PUBLISHED_TOLERANCE
            )
            if image_ids != truth.image.tolist():
                raise InputError(f"{run.predictions} is not of the test images of study {name}")
            found[str(run.arm)].append(rows_of_run)
        studies.append(
            Study(
                name=str(name),
                runs=runs,
                labels=truth.dx.map(CLASSES.index).to_numpy(dtype=np.int64),
                lesions=truth.lesion_id.to_numpy(dtype=str),
                has_sibling=truth.sibling.to_numpy(dtype=bool),
                probabilities={arm: np.array(values) for arm, values in found.items()},
            )
        )
    if not studies:
        raise InputError(f"{path}: no seed is finished in both arms ({' and '.join(ARMS)})")
    return studies


def inflation(
    study: Study, statistic: Statistic, rows: NDArray[np.bool_], resamples: int
) -> Difference:
    """What a figure gains from siblings in training, on some of the test images."""
    return paired_difference(
        study.labels[rows],
        study.lesions[rows],
        study.probabilities["clean"][:, rows],
        study.probabilities["leaky"][:, rows],
        statistic,
        resamples=resamples,
        seed=0,
    )


def comparisons(study: Study, resamples: int) -> list[tuple[str, int, float, Difference]]:
    """Name, test images, share of them with a sibling, and difference of each figure."""
    everything = np.ones(len(study.labels), dtype=bool)
    named: list[tuple[str, Statistic, NDArray[np.bool_]]] = []
    for title, rows in (
        ("all test images", everything),
        ("with a sibling in training", study.has_sibling),
        ("without", ~study.has_sibling),
    ):
        named.append((f"balanced accuracy, {title}", STATISTICS["balanced_accuracy"], rows))
    named.append(("macro AUC, all test images", STATISTICS["macro_auc"], everything))
    for label, name in enumerate(CLASSES):
        named.append((f"sensitivity, {name}", sensitivity_of(label), everything))
    for label, name in enumerate(CLASSES):
        named.append((f"AUC, {name}", auc_of(label), everything))
    found = []
    for title, statistic, rows in named:
        of_class = [c for c, name in enumerate(CLASSES) if title.endswith(f", {name}")]
        counted = rows & np.isin(study.labels, of_class) if of_class else rows
        if counted.sum() >= FEWEST:
            share = float(study.has_sibling[counted].mean())
            difference = inflation(study, statistic, rows, resamples)
            found.append((title, int(counted.sum()), share, difference))
    return found


def table(studies: list[Study], resamples: int) -> str:
    """Markdown: a section for each study."""
    parts = ["# What siblings of the test lesions in training add\n"]
    for study in studies:
        first = study.runs.iloc[0]
        seeds = study.runs.seed.nunique()
        clean = study.runs[study.runs.arm == "clean"].iloc[0]
        leaky = study.runs[study.runs.arm == "leaky"].iloc[0]
        settings = json.loads(first.settings)
        parts.append(
            f"\n`python -m benchmarks.leak --archive ARCHIVE --seeds {seeds} "
            f"--epochs {settings['epochs']} --width {settings['train']['width']} "
            f"--image-size {settings['image_size']} --design-seed {first.design_seed}`, "
            f"commit {' and '.join(study.runs.commit.unique())}, data {first.data}, settings "
            f"`{first.settings}`. Training: {clean.training_images} images of "
            f"{clean.training_lesions} lesions without, {leaky.training_images} of "
            f"{leaky.training_lesions} with siblings; the same {len(study.labels)} test images of "
            f"{len(np.unique(study.lesions))} lesions, balanced rule. In brackets 95 % intervals "
            "over test lesions and over seeds together, each for itself: of so many figures one "
            "may exclude zero by chance.\n\n"
            "| figure | test images | with a sibling | without leak | with leak | inflation |\n"
            "|---|--:|--:|--:|--:|--:|\n"
        )
        for title, count, share, difference in comparisons(study, resamples):
            low, high = difference.interval
            parts.append(
                f"| {title} | {count} | {share:.0%} | {difference.first:.3f} | "
                f"{difference.second:.3f} | {difference.value:+.3f} [{low:+.3f}, {high:+.3f}] |\n"
            )
        if seeds == 1:
            parts.append("\nOne seed: the intervals hold the chance in the lesions alone.\n")
    return "".join(parts)


def figure(studies: list[Study], resamples: int) -> bytes:
    """SVG of the study with the most runs: each inflation with its interval."""
    return forest_plot(inflations(studies, resamples), LABEL)


def inflations(studies: list[Study], resamples: int) -> list[Row]:
    """Of the study with the most runs: name, inflation and interval, without the AUC of classes."""
    study = max(studies, key=lambda one: len(one.runs))
    return [
        (title, difference.value, difference.interval)
        for title, _, _, difference in comparisons(study, resamples)
        if not title.startswith("AUC")
    ]
