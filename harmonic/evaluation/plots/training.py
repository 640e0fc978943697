"""How training went: losses and scores over the epochs, and the learning-rate range test."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from harmonic.errors import InputError
from harmonic.evaluation.plots.drawing import (
    BLUE,
    GREY,
    ORANGE,
    house_style,
    one_panel,
    to_svg,
)

SCORES = {
    "val_balanced_accuracy": ("balanced accuracy", BLUE, "-"),
    "val_accuracy": ("accuracy", ORANGE, "--"),
    "val_macro_auc": ("macro AUC", GREY, "-."),
}


def loss_curves(history: pd.DataFrame) -> bytes:
    """SVG: training and validation loss over epochs. Needs epoch, train_loss, val_loss."""
    _need(history, ("epoch", "train_loss", "val_loss"), "history")
    with house_style():
        figure, axes = one_panel()
        axes.plot(history["epoch"], history["train_loss"], color=GREY, label="training")
        axes.plot(history["epoch"], history["val_loss"], color=BLUE, label="validation")
        axes.set_ylabel("loss")
        _epochs(axes, history)
        return to_svg(figure)


def score_curves(history: pd.DataFrame) -> bytes:
    """SVG: what the validation set says over epochs. Needs epoch and one of SCORES at least."""
    _need(history, ("epoch", "val_balanced_accuracy"), "history")
    with house_style():
        figure, axes = one_panel()
        for column, (label, colour, dashes) in SCORES.items():
            if column in history:
                axes.plot(
                    history["epoch"], history[column], color=colour, linestyle=dashes, label=label
                )
        axes.set_ylim(0, 1)
        axes.set_ylabel("validation score")
        _epochs(axes, history)
        return to_svg(figure)


def lr_range_curve(curve: pd.DataFrame, suggestion: Mapping[str, float]) -> bytes:
    """SVG: loss over a learning rate that grows at every step, and where it fell fastest.

    Args:
        curve: columns lr (above 0), loss, smoothed_loss; a row a step.
        suggestion: any of suggested_lr, steepest_lr, diverged_lr, and used_lr of the training that
            followed; empty for none.
    """
    _need(curve, ("lr", "loss", "smoothed_loss"), "learning-rate curve")
    with house_style():
        figure, axes = one_panel()
        axes.plot(curve["lr"], curve["loss"], color=GREY, linewidth=0.7, alpha=0.6, label="loss")
        axes.plot(curve["lr"], curve["smoothed_loss"], color=BLUE, label="smoothed")
        for key, colour, dashes in (
            ("suggested_lr", ORANGE, "-"),
            ("used_lr", BLUE, "-."),
            ("steepest_lr", GREY, ":"),
            ("diverged_lr", GREY, "--"),
        ):
            rate = suggestion.get(key)
            if rate is not None:
                label = f"{key.removesuffix('_lr')}: {rate:.2g}"
                axes.axvline(rate, color=colour, linestyle=dashes, linewidth=1.2, label=label)
        axes.set_xscale("log")
        # The last steps diverge by orders of magnitude and would flatten what is looked for.
        smoothed = curve["smoothed_loss"]
        floor, ceiling = smoothed.min(), max(1.5 * smoothed.iloc[0], 1.1 * smoothed.median())
        axes.set_ylim(floor - 0.1 * (ceiling - floor), ceiling)
        axes.set_xlabel("learning rate")
        axes.set_ylabel("loss")
        figure.legend(loc="outside upper center", ncols=3)
        return to_svg(figure)


def _epochs(axes: Axes, history: pd.DataFrame) -> None:
    if len(history) == 1:
        for line in axes.get_lines():
            line.set_marker("o")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel("epoch")
    axes.legend()


def _need(table: pd.DataFrame, columns: Sequence[str], name: str) -> None:
    missing = [column for column in columns if column not in table]
    if missing or table.empty:
        raise InputError(f"{name}: {', '.join(missing) or 'rows'} missing; needs {columns}")
