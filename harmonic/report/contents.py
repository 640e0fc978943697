"""What goes into a report: plain data, read from the files of a run by whoever asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.evaluation.comparison import Pair


@dataclass(frozen=True)
class Predictions:
    """What was answered for each test image: labels (n,), probabilities (n, 7) by both rules.

    `uncalibrated` is `natural` as it would be at temperature 1, for the reliability diagram.
    """

    labels: NDArray[np.int64]
    balanced: NDArray[np.float64]
    natural: NDArray[np.float64]
    uncalibrated: NDArray[np.float64] | None = None


@dataclass(frozen=True)
class HairPair:
    """A photograph before and after hair removal, each uint8 (H, W, 3), and what to call it."""

    name: str
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """One test image with its answer and where the evidence for it lies.

    `image` is uint8 (H, W, 3); the evidence maps are (H, W) in [0, 1]. `for_truth` is left out
    where the answer is right.
    """

    name: str
    truth: str
    answer: str
    confidence: float
    image: NDArray[np.uint8]
    for_answer: NDArray[np.floating]
    for_truth: NDArray[np.floating] | None = None


@dataclass(frozen=True)
class Kernels:
    """The first layer's learned kernels (n, 3, k, k) and the fixed filters (F, k, k)."""

    learned: NDArray[np.floating]
    fixed: NDArray[np.floating]


@dataclass(frozen=True)
class ReportContents:
    """All that a report can show; what is left out, the report leaves out.

    Attributes:
        metrics: reports/metrics.json.
        predictions: for confusion, curves, and the table per class.
        params: the parameters of the run, nested as in params.yaml.
        commit: revision of the code.
        fingerprint: data/fingerprint.json, nested or flat.
        logs: the content of logs/<stage>.json, in the order of the stages: stage, seconds, host.
        split: data/split.csv with image_id, lesion_id, dx, split.
        history: models/history.csv.
        lr_curve, lr_suggestion: reports/lr_range/curve.csv and suggestion.json; with used_lr,
            the rate that training took.
        spectra: for each harmonic layer the mean energy (K, K) of its frequencies.
        hair_pairs: a few images before and after hair removal.
        kernels: of the first layer.
        cases: where the network was surest.
        per_class, operating_points, subgroups: tables to be shown, their columns as headings; a
            column with `_low` and `_high` beside it becomes one with intervals.
        comparison: this run against a baseline on the same test set.
        doubts: what of the files does not fit together (`agreement.disagreements`).
    """

    metrics: Mapping[str, float]
    title: str = "Harmonic network on dermoscopy images"
    predictions: Predictions | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    commit: str | None = None
    fingerprint: Mapping[str, Any] = field(default_factory=dict)
    logs: Sequence[Mapping[str, Any]] = ()
    split: pd.DataFrame | None = None
    history: pd.DataFrame | None = None
    lr_curve: pd.DataFrame | None = None
    lr_suggestion: Mapping[str, float] = field(default_factory=dict)
    spectra: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)
    hair_pairs: Sequence[HairPair] = ()
    kernels: Kernels | None = None
    cases: Sequence[Case] = ()
    per_class: pd.DataFrame | None = None
    operating_points: pd.DataFrame | None = None
    subgroups: pd.DataFrame | None = None
    comparison: Pair | None = None
    doubts: Sequence[str] = ()
