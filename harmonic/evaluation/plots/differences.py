"""Differences with their intervals: one below the other, or beside the arms they are between."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harmonic.errors import InputError
from harmonic.evaluation.plots.drawing import BLUE, GREY, INK, house_style, one_panel, to_svg

Arms = Sequence[tuple[str, Sequence[float]]]
Row = tuple[str, float, tuple[float, float] | None, bool]
"""Name, difference, its interval (None where there is too little for one), whether it is told."""
Differences = Sequence[Row]


def forest_plot(rows: Differences, label: str) -> bytes:
    """SVG: a row a difference, as `draw_forest` draws it. Raises InputError where there is none."""
    if not rows:
        raise InputError("differences: none; at least one is needed")
    with house_style():
        figure, axes = one_panel(width=6.4, height=1.1 + 0.3 * len(rows))
        draw_forest(axes, rows, label)
        return to_svg(figure)


def draw_forest(axes: Axes, rows: Differences, label: str) -> None:
    """A point and a line from low to high for each row, grey where nothing is told."""
    axes.axvline(0, color=GREY, linewidth=1)
    for place, (_, value, interval, told) in enumerate(rows):
        colour = BLUE if told else GREY
        if interval is not None:
            axes.plot(interval, [place, place], color=colour, solid_capstyle="butt")
        axes.plot([value], [place], color=colour, marker="o", markersize=4.5)
    axes.set_yticks(np.arange(len(rows)), [row[0] for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(label)


def comparison_plot(title: str, metric: str, arms: Arms, differences: Differences) -> bytes:
    """SVG: the metric of every run by arm, and beside it the differences with the intervals of the
    verdict, in colour where it tells them."""
    places = {name: place for place, (name, _) in enumerate(arms)}
    with house_style():
        figure = Figure(figsize=(8.4, 1.5 + 0.42 * len(arms)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for name, values in arms:
            place = np.full(len(values), places[name])
            left.plot(values, place, "o", color=BLUE, markersize=4, alpha=0.7)
            left.plot(np.mean(values), places[name], "|", color=INK, markersize=14)
        left.set_yticks(range(len(arms)), [name for name, _ in arms])
        left.set_ylim(len(arms) - 0.5, -0.5)
        left.set_xlabel(metric.replace("_", " "))
        right.axvline(0, color=GREY, linewidth=1)
        for name, value, interval, told in differences:
            colour = BLUE if told else GREY
            if interval is not None:
                right.plot(interval, [places[name]] * 2, color=colour)
            right.plot([value], [places[name]], "o", color=colour, markersize=4.5)
        joint = f", {len(differences)} comparisons together" if len(differences) > 1 else ""
        right.set_xlabel(f"difference from the reference, 95 % interval{joint}")
        for axes in (left, right):
            axes.grid(axis="y", visible=False)
        figure.suptitle(title, fontsize=10)
        return to_svg(figure)
