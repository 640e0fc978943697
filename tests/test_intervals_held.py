"""Intervals in results/ are those that the kept answers give, with the run's own resamples."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from harmonic.data.classes import CLASSES
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import (
    lesion_metrics,
    metrics_document,
    resampled_weights,
    with_interval,
)
from harmonic.evaluation.operating_points import SPECIFICITIES, TARGETS, binary_figures
from harmonic.evaluation.runs import Run, folder_run
from harmonic.evaluation.weighted import weighted_auc

STUDY = Path(__file__).parents[1] / "results/runs/full-100-mixed"
"""The runs with answers that keep their intervals."""
NEAR_TIES = 0.002
"""How far an end may move by the digits that kept answers lack: one image decided otherwise."""


@cache
def intervals_of(folder: Path) -> dict[str, float]:
    """All figures and ends of intervals that a run's folder determines, made of its answers."""
    run = folder_run(folder)
    assert run.answers is not None
    priors = np.array(run.answers.class_counts, dtype=np.float64)
    natural = run.answers.balanced * priors
    answers = replace(run.answers, natural=natural / natural.sum(axis=1, keepdims=True))
    weights = resampled_weights(
        answers.labels,
        answers.lesions,
        resamples=int(run.traits["evaluate.resamples"]),
        seed=int(run.traits["evaluate.seed"]),
    )
    return {
        **metrics_document(answers, weights),
        **lesion_metrics(answers, weights),
        **operating_intervals(run, answers, np.vstack([np.ones(len(answers.labels)), weights])),
    }


def operating_intervals(run: Run, answers: Answers, weights: np.ndarray) -> dict[str, float]:
    """Thresholds are not kept, but how many are above them is what the run's figures say."""
    found: dict[str, float] = {}
    for target, names in TARGETS.items():
        columns = [CLASSES.index(name) for name in names]
        positive, score = np.isin(answers.labels, columns), answers.balanced[:, columns].sum(axis=1)
        found |= with_interval(f"{target}_auc", weighted_auc(positive, score, weights))
        for end in (f"at_{round(100 * share)}" for share in SPECIFICITIES):
            alarm = np.zeros(len(score), dtype=bool)
            shares = {True: run.metrics[f"{target}_sensitivity_{end}"]}
            shares[False] = 1 - run.metrics[f"{target}_specificity_{end}"]
            for side, share in shares.items():
                members = np.flatnonzero(positive == side)
                highest = members[np.argsort(-score[members], kind="stable")]
                alarm[highest[: round(share * len(members))]] = True
            for name, values in binary_figures(positive, alarm, weights).items():
                found |= with_interval(f"{target}_{name}_{end}", values)
    return found


def apart(kept: Mapping[str, float], folder: Path) -> list[str]:
    """Names of the ends that the answers of the run in `folder` do not give."""
    made = intervals_of(folder)
    return [name for name, end in kept.items() if not abs(made[name] - end) <= NEAR_TIES]


def kept_in(folder: Path) -> dict[str, float]:
    return json.loads((folder / "intervals.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_every_kept_interval_is_that_of_its_answers() -> None:
    folders = sorted(path.parent for path in STUDY.rglob("intervals.json"))
    assert len(folders) == 10
    for folder in folders:
        assert apart(kept_in(folder), folder) == [], folder.name


def test_a_falsified_interval_is_named() -> None:
    folder = STUDY / "harmonic-seed0"
    kept, figures = kept_in(folder), folder_run(folder, answers=False).metrics
    assert len(kept) == 50
    assert apart(kept, folder) == []
    for name, end in kept.items():
        value = figures[name.removesuffix("_low").removesuffix("_high")]
        assert apart(kept | {name: round(value + (end - value) / 10, 4)}, folder) == [name]
