"""What a classifier gets right and wrong: confusion, ROC, precision and recall, calibration."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray
from sklearn import metrics as sk

from harmonic.data.classes import CLASSES
from harmonic.evaluation.checks import checked_pair
from harmonic.evaluation.metrics import reliability_table
from harmonic.evaluation.plots.drawing import (
    BLUE,
    CLASS_COLOURS,
    CLASS_DASHES,
    GREY,
    ORANGE,
    house_style,
    one_panel,
    shaded_cell,
    to_svg,
)
from harmonic.evaluation.weighted import CALIBRATION_BINS


def confusion_counts(labels: ArrayLike, probabilities: ArrayLike) -> bytes:
    """SVG: images of each true class (row) by answer (column); colour by share of the row."""
    counts, shares = confusion_table(labels, probabilities)
    return _confusion_matrix(shares, [[f"{n:d}" for n in row] for row in counts])


def confusion_rows(labels: ArrayLike, probabilities: ArrayLike) -> bytes:
    """SVG: share of each true class (row) that got each answer (column), in per cent."""
    _, shares = confusion_table(labels, probabilities)
    return _confusion_matrix(
        shares, [["" if np.isnan(s) else f"{100 * s:.0f}" for s in row] for row in shares]
    )


def roc_curves(labels: ArrayLike, probabilities: ArrayLike) -> bytes:
    """SVG: sensitivity over 1 - specificity, a line for each class that has both sides."""

    def draw(axes: Axes, name: str, truth: NDArray[np.bool_], score: NDArray[np.float64]) -> None:
        if truth.all():
            return
        false_positive_rate, sensitivity, _ = sk.roc_curve(truth, score)
        area = sk.roc_auc_score(truth, score)
        _class_line(axes, false_positive_rate, sensitivity, name, f"{name} (AUC {area:.3f})")

    with house_style():
        figure, axes = one_panel(height=4.8)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
        _each_class(labels, probabilities, axes, draw)
        axes.set_xlabel("1 − specificity")
        axes.set_ylabel("sensitivity")
        return to_svg(figure)


def precision_recall_curves(labels: ArrayLike, probabilities: ArrayLike) -> bytes:
    """SVG: precision over recall, a line for each class that has images."""

    def draw(axes: Axes, name: str, truth: NDArray[np.bool_], score: NDArray[np.float64]) -> None:
        precision, recall, _ = sk.precision_recall_curve(truth, score, drop_intermediate=True)
        area = sk.average_precision_score(truth, score)
        _class_line(axes, recall, precision, name, f"{name} (AP {area:.3f})")

    with house_style():
        figure, axes = one_panel(height=4.8)
        _each_class(labels, probabilities, axes, draw)
        axes.set_xlabel("recall (sensitivity)")
        axes.set_ylabel("precision (PPV)")
        return to_svg(figure)


def reliability_diagram(labels: ArrayLike, probabilities: Mapping[str, ArrayLike]) -> bytes:
    """SVG: how often answers are right over how sure they were; the diagonal is calibrated.

    One line for each entry of `probabilities` (its name: before, after, ...), and bars for the
    share of images in each bin of confidence, of the last entry. Points grow with their bin.
    """
    with house_style():
        figure, axes = one_panel(height=4.4)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
        colours = [ORANGE, BLUE] if len(probabilities) > 1 else [BLUE]
        for number, (name, values) in enumerate(probabilities.items()):
            table = reliability_table(*checked_pair(labels, values, name))
            colour = colours[number % len(colours)]
            share = table["n"] / table["n"].sum()
            axes.plot(table["confidence"], table["accuracy"], color=colour, linewidth=1, label=name)
            axes.scatter(
                table["confidence"],
                table["accuracy"],
                s=8 + 200 * share,
                color=colour,
                clip_on=False,
            )
            if number == len(probabilities) - 1:
                axes.bar(
                    table["low"],
                    share,
                    width=1 / CALIBRATION_BINS,
                    align="edge",
                    color=GREY,
                    alpha=0.35,
                    label="share of images",
                )
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.set_xlabel("confidence (probability of the answer)")
        axes.set_ylabel("accuracy")
        axes.legend(loc="upper left")
        return to_svg(figure)


def _each_class(
    labels: ArrayLike,
    probabilities: ArrayLike,
    axes: Axes,
    draw: Callable[[Axes, str, NDArray[np.bool_], NDArray[np.float64]], None],
) -> None:
    known, predicted = checked_pair(labels, probabilities, "probabilities")
    for c in np.unique(known):
        draw(axes, CLASSES[c], known == c, predicted[:, c])
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01))
    if axes.get_legend_handles_labels()[1]:
        # Beside the lines there is no corner that all classes leave free.
        axes.figure.legend(loc="outside lower center", ncols=3)


def _class_line(axes: Axes, x: NDArray, y: NDArray, name: str, label: str) -> None:
    axes.plot(x, y, color=CLASS_COLOURS[name], linestyle=CLASS_DASHES[name], label=label)


def confusion_table(
    labels: ArrayLike, probabilities: ArrayLike
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Counts (7, 7) and their shares of the row; NaN in the row of a class without images."""
    known, predicted = checked_pair(labels, probabilities, "probabilities")
    counts = sk.confusion_matrix(known, predicted.argmax(axis=1), labels=range(len(CLASSES)))
    totals = counts.sum(axis=1, keepdims=True)
    return counts, np.where(totals > 0, counts / np.maximum(totals, 1), np.nan)


def _confusion_matrix(shares: NDArray[np.float64], texts: list[list[str]]) -> bytes:
    with house_style():
        figure, axes = one_panel(height=4.4)
        for row, column in np.ndindex(*shares.shape):
            share = float(np.nan_to_num(shares[row, column]))
            shaded_cell(axes, column, row, share, texts[row][column])
        axes.set(xlim=(-0.5, 6.5), ylim=(6.5, -0.5), aspect="equal")
        axes.set_xticks(range(len(CLASSES)), CLASSES)
        axes.set_yticks(range(len(CLASSES)), CLASSES)
        axes.grid(visible=False)
        axes.set_xlabel("answer")
        axes.set_ylabel("truth")
        return to_svg(figure)
