"""Whether a run's figures are those of its predictions: files of two runs are easily mixed up."""

from collections.abc import Mapping

from numpy.typing import ArrayLike

from harmonic.evaluation.metrics import headline_metrics

ROUNDING = 1e-4
"""How far a figure of metrics.json, rounded to four digits, may lie from what predictions give."""


def disagreements(
    metrics: Mapping[str, float], labels: ArrayLike, balanced: ArrayLike, natural: ArrayLike
) -> list[str]:
    """A line for each figure of metrics.json that the predictions do not give.

    labels (n,), probabilities (n, 7) under both rules. What `metrics` lacks is passed over.
    """
    found = headline_metrics(labels, balanced, natural)
    return [
        f"{name} is {metrics[name]:.4f} in metrics.json, but {value:.4f} by the predictions"
        for name, value in found.items()
        if name in metrics and not abs(metrics[name] - value) <= ROUNDING
    ]
