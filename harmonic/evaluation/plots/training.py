"""How training went: losses, scores, the learning-rate range test, and what the filters learned."""

from collections.abc import Mapping
from math import ceil

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from harmonic.evaluation.plots.drawing import (
    BLUE,
    GREY,
    ORANGE,
    house_style,
    one_panel,
    shaded_cell,
    to_svg,
)

SCORES = {
    "val_balanced_accuracy": ("balanced accuracy", BLUE, "-"),
    "val_accuracy": ("accuracy", ORANGE, "--"),
    "val_macro_auc": ("macro AUC", GREY, "-."),
}


def loss_curves(history: pd.DataFrame) -> bytes:
    """SVG: training and validation loss over epochs. Needs epoch, train_loss, val_loss."""
    lines = {"train_loss": ("training", GREY, "-"), "val_loss": ("validation", BLUE, "-")}
    return _over_epochs(history, lines, "loss")


def score_curves(history: pd.DataFrame) -> bytes:
    """SVG: what the validation set says over epochs. Needs epoch and one of SCORES at least."""
    return _over_epochs(history, SCORES, "validation score", limits=(0, 1))


def lr_range_curve(curve: pd.DataFrame, suggestion: Mapping[str, float]) -> bytes:
    """SVG: loss over a learning rate that grows at every step, and where it fell fastest.

    curve: columns lr (above 0), loss, smoothed_loss; a row a step. suggestion: any of suggested_lr,
    steepest_lr, diverged_lr, and used_lr of the training that followed.
    """
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


def spectra(energies: Mapping[str, NDArray[np.floating]]) -> bytes:
    """SVG: one panel a layer, the share of its energy in each frequency, in per cent.

    energies: for each layer the mean squared coefficient (K, K) of frequency (u, v), u down, v
    right, >= 0; NaN where the layer has no such filter.
    """
    columns = min(4, len(energies))
    rows = ceil(len(energies) / columns)
    with house_style():
        figure = Figure(figsize=(2.1 * columns, 2.35 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, (layer, energy) in zip(grid, energies.items(), strict=False):
            _spectrum(axes, layer, np.asarray(energy, dtype=np.float64))
        for axes in grid[len(energies) :]:
            axes.set_axis_off()
        return to_svg(figure)


def _spectrum(axes: Axes, layer: str, energy: NDArray[np.float64]) -> None:
    total = np.nansum(energy)
    shares = energy / total if total > 0 else np.where(np.isnan(energy), np.nan, 0.0)
    strongest = max(np.nanmax(shares, initial=0), np.finfo(np.float64).tiny)
    written = energy.size <= 25
    for u, v in np.ndindex(*shares.shape):
        share = shares[u, v]
        if np.isnan(share):
            continue
        # The root lets weak frequencies be seen beside the strongest, usually the mean.
        text = f"{100 * share:.0f}" if written else ""
        shaded_cell(axes, v, u, float(np.sqrt(share / strongest)), text)
    height, width = shares.shape
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5), aspect="equal")
    axes.set_xticks(range(width))
    axes.set_yticks(range(height))
    axes.grid(visible=False)
    axes.set_title(layer, fontsize=8)
    axes.set_xlabel("v", fontsize=8)
    axes.set_ylabel("u", fontsize=8)


def _over_epochs(
    history: pd.DataFrame,
    lines: Mapping[str, tuple[str, str, str]],
    name: str,
    limits: tuple[float, float] | None = None,
) -> bytes:
    """A line for each of the columns that is there: label, colour and dashes."""
    with house_style():
        figure, axes = one_panel()
        marker = "o" if len(history) == 1 else None
        for column, (label, colour, dashes) in lines.items():
            if column in history:
                (line,) = axes.plot(history["epoch"], history[column], label=label, marker=marker)
                line.set(color=colour, linestyle=dashes)
        if limits:
            axes.set_ylim(limits)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set(xlabel="epoch", ylabel=name)
        axes.legend()
        return to_svg(figure)
