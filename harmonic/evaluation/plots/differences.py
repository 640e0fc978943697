"""Differences with their intervals, one below the other."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from harmonic.errors import InputError
from harmonic.evaluation.plots.drawing import BLUE, GREY, house_style, one_panel, to_svg

Row = tuple[str, float, tuple[float, float]]
"""Name, value, (low, high)."""


def forest_plot(rows: Sequence[Row], label: str) -> bytes:
    """SVG: a row a difference, as `draw_forest` draws it.

    Raises InputError where there is no row.
    """
    if not rows:
        raise InputError("differences: none; at least one is needed")
    with house_style():
        figure, axes = one_panel(width=6.4, height=1.1 + 0.3 * len(rows))
        draw_forest(axes, rows, label)
        return to_svg(figure)


def draw_forest(axes: Axes, rows: Sequence[Row], label: str) -> None:
    """A point and a line from low to high for each row; 0 is marked.

    Differences whose interval holds 0 are grey.
    """
    axes.axvline(0, color=GREY, linewidth=1)
    for place, (_, value, (low, high)) in enumerate(rows):
        colour = GREY if low <= 0 <= high else BLUE
        axes.plot([low, high], [place, place], color=colour, solid_capstyle="butt")
        axes.plot([value], [place], color=colour, marker="o", markersize=4.5)
    axes.set_yticks(np.arange(len(rows)), [name for name, _, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(label)
