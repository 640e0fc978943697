"""Arms side by side: each seed a dot, and what separates each arm from the reference."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from harmonic.errors import InputError
from harmonic.evaluation.plots.drawing import BLUE, GREY, INK, house_style, to_svg

Arms = Sequence[tuple[str, Sequence[float]]]
Differences = Sequence[tuple[str, float, tuple[float, float] | None, bool]]
"""Arm, difference, its interval (None where there is too little for one), whether it is told."""


def comparison_plot(title: str, metric: str, arms: Arms, differences: Differences) -> bytes:
    """SVG: the metric of every run by arm, and beside it the differences with their intervals.

    The intervals are those of the verdict; a difference that it tells is drawn in colour.

    Raises InputError where no arm has a value.
    """
    if not any(len(values) for _, values in arms):
        raise InputError(f"plot: no run has {metric}")
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
