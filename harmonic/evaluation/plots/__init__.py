"""Figures of a run as bytes: SVG of drawings, PNG of photographs. Same input, same bytes."""

from harmonic.evaluation.plots.classification import (
    confusion_counts,
    confusion_rows,
    precision_recall_curves,
    reliability_diagram,
    roc_curves,
)
from harmonic.evaluation.plots.drawing import inline_svg
from harmonic.evaluation.plots.pictures import case_strip, filter_sheet, pair_sheet
from harmonic.evaluation.plots.training import loss_curves, lr_range_curve, score_curves, spectra

__all__ = [
    "case_strip",
    "confusion_counts",
    "confusion_rows",
    "filter_sheet",
    "inline_svg",
    "loss_curves",
    "lr_range_curve",
    "pair_sheet",
    "precision_recall_curves",
    "reliability_diagram",
    "roc_curves",
    "score_curves",
    "spectra",
]
