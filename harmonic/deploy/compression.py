"""What smaller files cost: a row a variant, accuracy with interval and paired difference."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.evaluation.bootstrap import known_ends, resampled_weights
from harmonic.evaluation.plots.drawing import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    house_style,
    one_panel,
    to_svg,
)
from harmonic.evaluation.rules import decision_rules

DIGITS = 4
AFTER, TUNED, TRAINED = "after training", "then fine-tuned", "trained so"
"""When a network was made smaller."""


@dataclass(frozen=True)
class Scores:
    """Balanced accuracy under the balanced rule: on the test set, and on each of its resamples."""

    value: float
    resampled: NDArray[np.float64]

    def interval(self) -> tuple[float, float]:
        """95 %; NaN where all resamples agree, as `known_ends` has it."""
        low, high = known_ends(self.resampled)
        return float(low), float(high)


def balanced_choice(
    logits: NDArray[np.float64], class_counts: Sequence[int], imbalance: str
) -> NDArray[np.int64]:
    """The balanced rule's class of each row; a temperature would change none."""
    balanced, _ = decision_rules(logits, class_counts, imbalance=imbalance, temperature=1.0)
    return balanced.argmax(axis=1)


def scores_of_choice(
    labels: NDArray[np.int64],
    lesions: NDArray[np.str_],
    chosen: NDArray[np.int64],
    *,
    resamples: int,
    seed: int,
) -> Scores:
    """Balanced accuracy of chosen classes.

    Equal seeds resample the same lesions, so the scores of two networks can be subtracted.
    """
    hits = chosen == labels
    member = np.eye(len(CLASSES))[labels][:, np.unique(labels)]
    weights = resampled_weights(labels, lesions, resamples=resamples, seed=seed)

    def recalls(rows: NDArray[np.float64]) -> NDArray[np.float64]:
        return (rows @ (member * hits[:, None]) / (rows @ member)).mean(axis=1)

    return Scores(float(recalls(np.ones((1, len(labels))))[0]), recalls(weights))


def table_row(scores: Scores, reference: Scores) -> dict[str, float]:
    """Figures of a variant, and its difference from the same network in float32.

    Ends of intervals are NaN where there is none.
    """
    change = Scores(scores.value - reference.value, scores.resampled - reference.resampled)
    found: dict[str, float] = {}
    for name, one in (("balanced_accuracy", scores), ("change", change)):
        low, high = one.interval()
        found |= {name: one.value, f"{name}_low": low, f"{name}_high": high}
    return {name: round(value, DIGITS) for name, value in found.items()}


def as_table(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """The rows, with the share of the bytes of the float32 file."""
    table = pd.DataFrame(rows)
    whole = table.loc[table.weights == "float32", "bytes"].iloc[0]
    table.insert(list(table).index("bytes") + 1, "share", (table.bytes / whole).round(DIGITS))
    return table


def how_made(row: dict[str, Any]) -> str:
    """A variant's line in the legend; `when` is there where some were trained in a smaller form."""
    if row.get("when") == TRAINED:
        return TRAINED
    return TUNED if row["epochs"] else AFTER


def accuracy_over_bytes(table: pd.DataFrame) -> bytes:
    """SVG: balanced accuracy with interval over the bytes of each file, logarithmic."""
    with house_style():
        figure, axes = one_panel(6.4, 4.0)
        for made, colour in ((AFTER, BLUE), (TUNED, ORANGE), (TRAINED, INK)):
            rows = table[[how_made(row) == made for row in table.to_dict("records")]]
            if rows.empty:
                continue
            spread = [
                rows.balanced_accuracy - rows.balanced_accuracy_low,
                rows.balanced_accuracy_high - rows.balanced_accuracy,
            ]
            axes.errorbar(
                rows.bytes, rows.balanced_accuracy, yerr=spread, fmt="o", markersize=4,
                color=colour, ecolor=GREY, elinewidth=0.8, capsize=2, label=made,
            )  # fmt: skip
        for row in table.drop_duplicates("weights").itertuples():
            axes.annotate(
                row.weights, (row.bytes, 1.02), xycoords=axes.get_xaxis_transform(),
                rotation=90, ha="center", va="bottom", fontsize=7, annotation_clip=False,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_ylim(0, 1)
        axes.set_xlabel("bytes")
        axes.set_ylabel("balanced accuracy")
        axes.legend(loc="lower right")
        return to_svg(figure)
