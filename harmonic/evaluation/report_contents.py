"""What goes into a report: plain data, read from the files of a run by whoever asks for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


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
        lr_curve, lr_suggestion: reports/lr_range/curve.csv and suggestion.json.
        spectra: for each harmonic layer the mean energy (K, K) of its frequencies.
        hair_pairs: a few images before and after hair removal.
        subgroups: a table to be shown as it is, its columns as headings.
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
    subgroups: pd.DataFrame | None = None
