"""What all figures share: colours, type, and SVG whose bytes depend on the data alone."""

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

INK = "#1c2026"
PAPER = "#fdfdfe"
BLUE = "#2f74c0"
ORANGE = "#d9730d"
GREY = "#858d98"

CLASS_LINES: dict[str, Any] = {
    "mel": ("#d1495b", "-"),
    "nv": ("#3a86c8", "--"),
    "bcc": ("#d98a1a", "-."),
    "akiec": ("#2a9d6f", ":"),
    "bkl": ("#9467bd", (0, (5, 1))),
    "df": ("#1b9aaa", (0, (3, 1, 1, 1))),
    "vasc": ("#a0714f", (0, (1, 1))),
}
"""Colours of middling lightness, so that lines show on white and on black; and dashes, which tell
them apart too."""

_STYLE: dict[Any, Any] = {
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 10,
    "figure.facecolor": PAPER,
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 9,
    "grid.alpha": 0.3,
    "grid.color": GREY,
    "grid.linewidth": 0.6,
    "legend.fontsize": 8,
    "legend.frameon": False,
    "lines.linewidth": 1.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "harmonic",
    "text.color": INK,
    "xtick.color": INK,
    "xtick.labelsize": 8,
    "ytick.color": INK,
    "ytick.labelsize": 8,
}


@contextmanager
def house_style() -> Iterator[None]:
    """Matplotlib's defaults with the style of this project, whatever the user's own settings."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def one_panel(width: float = 4.8, height: float = 3.6) -> tuple[Figure, Axes]:
    """A figure of this size in inches with one pair of axes; call it inside `house_style`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def shaded_cell(axes: Axes, column: float, row: float, share: float, text: str) -> None:
    """A unit square about (column, row), the bluer the nearer `share` is to 1, with text in it."""
    axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=BLUE, alpha=share))
    colour = "white" if share > 0.6 else INK
    axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)


def to_svg(figure: Figure) -> bytes:
    """A complete SVG file without date, program or random ids; to be called in `house_style`."""
    buffer = io.BytesIO()
    nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(buffer, metadata=nothing)
    return buffer.getvalue()


def inline_svg(svg: bytes, name: str, label: str) -> str:
    """A `to_svg` file as an element inside a HTML page, in the ink of its text on its background.

    Ids get `name` before them, as several figures share a page; a screen reader says `label`.
    """
    element = svg.decode()
    element = element[element.index("<svg") :]
    # A style element would reach the whole page; report.html.j2 says the same of `svg *`.
    element = re.sub(r"\s*<defs>\s*<style.*?</style>\s*</defs>", "", element, flags=re.DOTALL)
    element = re.sub(r'\b(id=")', rf"\g<1>{name}-", element)
    element = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", element)
    element = re.sub(r' (xmlns(:\w+)?|version)="[^"]*"', "", element).replace("xlink:href", "href")
    element = element.replace(INK, "currentColor").replace(PAPER, "none")
    return element.replace("<svg", f'<svg role="img" aria-label="{escape(label)}"', 1)
