"""What goes into a report: plain data, read from the files of a run by whoever asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.evaluation.answers import Answers
from harmonic.evaluation.comparison import Pair


@dataclass(frozen=True)
class HairPair:
    """A photograph before and after hair removal, each uint8 (H, W, 3), and what to call it."""

    name: str
    before: NDArray[np.uint8]
    after: NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """One test image, uint8 (H, W, 3), its answer, and where the evidence lies for the answer and,
    unless that is right, for the truth: maps (H, W) in [0, 1]."""

    name: str
    truth: str
    answer: str
    confidence: float
    image: NDArray[np.uint8]
    heats: Sequence[NDArray[np.floating]]


@dataclass(frozen=True)
class ReportContents:
    """All that a report shows."""

    metrics: Mapping[str, float]
    """All figures: reports/metrics.json, intervals.json and figures.json."""
    answers: Answers
    """For the test images by both rules, with the class counts of training."""
    params: Mapping[str, Any]
    """As in params.yaml, nested."""
    fingerprint: Mapping[str, Any]
    """data/fingerprint.json."""
    split: pd.DataFrame
    history: pd.DataFrame
    lr_curve: pd.DataFrame
    """reports/lr_range/curve.csv."""
    lr_suggestion: Mapping[str, float | None]
    """reports/lr_range/suggestion.json, with `used_lr`, the rate that training took."""
    spectra: Mapping[str, NDArray[np.floating]]
    """For each layer the mean energy (K, K) of its frequencies."""
    kernels: tuple[NDArray[np.floating], NDArray[np.floating]]
    """The first layer's learned kernels (n, 3, k, k) and the fixed filters (F, k, k)."""
    tables: Mapping[str, pd.DataFrame]
    """per_class, operating_points, subgroups and compression; a column with `_low` and `_high`
    beside it is shown as one with intervals."""
    hair_pairs: Sequence[HairPair] = ()
    cases: Sequence[Case] = ()
    """Where the network was surest."""
    comparison: Pair | None = None
    """This run against a baseline on the same test set."""
    baseline_md5: str = ""
    """Of the baseline's metrics.json."""
    doubts: Sequence[str] = ()
    """What of the files does not fit together (`agreement.disagreements`)."""
