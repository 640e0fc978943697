"""What a classifier gets right and wrong: confusion, ROC, precision and recall, calibration."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk

from harmonic.data.classes import CLASSES
from harmonic.evaluation.metrics import reliability_table
from harmonic.evaluation.plots.drawing import (
    BLUE,
    CLASS_LINES,
    GREY,
    ORANGE,
    house_style,
    one_panel,
    shaded_cell,
    to_svg,
)
from harmonic.evaluation.weighted import CALIBRATION_BINS, Floats, Labels


def confusion_counts(labels: Labels, probabilities: Floats) -> bytes:
    """SVG: images of each true class (row) by answer (column); colour by share of the row."""
    counts, shares = confusion_table(labels, probabilities)
    return _confusion_matrix(shares, [[f"{n:d}" for n in row] for row in counts])


def confusion_rows(labels: Labels, probabilities: Floats) -> bytes:
    """SVG: share of each true class (row) that got each answer (column), in per cent."""
    _, shares = confusion_table(labels, probabilities)
    return _confusion_matrix(
        shares, [["" if np.isnan(s) else f"{100 * s:.0f}" for s in row] for row in shares]
    )


def roc_curves(labels: Labels, probabilities: Floats) -> bytes:
    """SVG: sensitivity over 1 - specificity, a line for each class that has both sides."""
    curves = {}
    for name, truth, score in _classes(labels, probabilities):
        if not truth.all():
            false_positive_rate, sensitivity, _ = sk.roc_curve(truth, score)
            label = f"{name} (AUC {sk.roc_auc_score(truth, score):.3f})"
            curves[name] = (false_positive_rate, sensitivity, label)
    return _class_curves(curves, "1 − specificity", "sensitivity", diagonal=True)


def precision_recall_curves(labels: Labels, probabilities: Floats) -> bytes:
    """SVG: precision over recall, a line for each class that has images."""
    curves = {}
    for name, truth, score in _classes(labels, probabilities):
        precision, recall, _ = sk.precision_recall_curve(truth, score, drop_intermediate=True)
        label = f"{name} (AP {sk.average_precision_score(truth, score):.3f})"
        curves[name] = (recall, precision, label)
    return _class_curves(curves, "recall (sensitivity)", "precision (PPV)", diagonal=False)


def reliability_diagram(labels: Labels, probabilities: Mapping[str, Floats]) -> bytes:
    """SVG: how often answers are right over how sure they were; the diagonal is calibrated.

    One line for each entry of `probabilities` (its name: before, after, ...), and bars for the
    share of images in each bin of confidence, of the last entry. Points grow with their bin.
    """
    with house_style():
        figure, axes = one_panel(height=4.4)
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
        colours = [ORANGE, BLUE] if len(probabilities) > 1 else [BLUE]
        for number, (name, values) in enumerate(probabilities.items()):
            table = reliability_table(labels, values)
            colour = colours[number % len(colours)]
            share = table["n"] / table["n"].sum()
            axes.plot(table["confidence"], table["accuracy"], color=colour, linewidth=1, label=name)
            points = table["confidence"], table["accuracy"]
            axes.scatter(*points, s=8 + 200 * share, color=colour, clip_on=False)
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
        axes.set(xlabel="confidence (probability of the answer)", ylabel="accuracy")
        axes.legend(loc="upper left")
        return to_svg(figure)


def _classes(
    labels: Labels, probabilities: Floats
) -> list[tuple[str, NDArray[np.bool_], NDArray[np.float64]]]:
    """Name, truth and score of each class that has images."""
    return [(CLASSES[c], labels == c, probabilities[:, c]) for c in np.unique(labels)]


def _class_curves(
    curves: Mapping[str, tuple[NDArray, NDArray, str]], across: str, up: str, *, diagonal: bool
) -> bytes:
    """A line (x, y, label) for each class."""
    with house_style():
        figure, axes = one_panel(height=4.8)
        if diagonal:
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8)
        for name, (x, y, label) in curves.items():
            colour, dashes = CLASS_LINES[name]
            axes.plot(x, y, color=colour, linestyle=dashes, label=label)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), xlabel=across, ylabel=up)
        if curves:
            # Beside the lines there is no corner that all classes leave free.
            figure.legend(loc="outside lower center", ncols=3)
        return to_svg(figure)


def confusion_table(
    labels: Labels, probabilities: Floats
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Counts (7, 7) and their shares of the row; NaN in the row of a class without images."""
    counts = sk.confusion_matrix(labels, probabilities.argmax(axis=1), labels=range(len(CLASSES)))
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
        axes.set(xlabel="answer", ylabel="truth")
        return to_svg(figure)
