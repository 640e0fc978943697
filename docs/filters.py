"""The picture of README: nine fixed filters, times nine learned numbers, are one 3 × 3 kernel.

    python -m docs.filters

The kernel is a slanted edge, such as a first layer may learn. Its coefficients are its products
with the orthonormal filters of `harmonic.filter_bank`, so their weighted sum is the kernel exactly.
"""

import io
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from torch import Tensor, tensor

from harmonic import filter_bank
from harmonic.files import write_bytes

KERNEL = tensor([[0.9, 0.9, 0.1], [0.6, 0.3, -0.7], [0.3, -0.6, -0.4]])
LEVELS = (1, 2, 3, 4, 5)
INK = "#1f2933"
COLOURS = "PuOr_r"  # orange above zero, purple below; told apart without red and green
WIDTH, HEIGHT = 10.0, 4.1  # inches; every place below is in inches from the lower left corner


def coefficients(level: int | None = None) -> tuple[Tensor, Tensor]:
    """The filters of a level (F, 3, 3), and how much of each the kernel holds (F,)."""
    bank = filter_bank(3, level=level)
    return bank, (bank * KERNEL).sum(dim=(1, 2))


def rebuilt(level: int | None = None) -> Tensor:
    """The kernel (3, 3) as the sum of its filters up to a level; all of them give it back."""
    bank, weights = coefficients(level)
    return (bank * weights[:, None, None]).sum(dim=0)


def draw() -> bytes:
    """The picture as SVG, the same bytes at every call with the same matplotlib."""
    with mpl.rc_context({"svg.hashsalt": "filters", "svg.fonttype": "path"}):
        figure = Figure(figsize=(WIDTH, HEIGHT), facecolor="white")
        write(figure, (2.33, 3.8), "nine fixed filters × nine learned numbers", size=11)
        for place, (one, weight) in enumerate(zip(*coefficients(), strict=True)):
            u, v = divmod(place, 3)
            x, y = 0.45 + 1.45 * v, 2.58 - 1.18 * u
            squares(figure, (x, y), 0.86, one)
            write(figure, (x + 0.43, y - 0.15), f"× {weight:+.2f}".replace("-", "−"))
        write(figure, (4.98, 1.83), "=", size=30)
        write(figure, (6.4, 3.8), "a 3 × 3 kernel", size=11)
        squares(figure, (5.57, 1.0), 1.66, rebuilt())
        write(figure, (8.75, 3.8), "cut to low frequencies", size=11)
        for row, level in enumerate(LEVELS):
            y = 2.98 - 0.69 * row
            squares(figure, (8.02, y), 0.56, rebuilt(level))
            text = f"level {level}: {len(filter_bank(3, level=level))} of 9"
            write(figure, (8.76, y + 0.28), text, align="left")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()


def squares(figure: Figure, corner: tuple[float, float], side: float, values: Tensor) -> None:
    """Values (3, 3) in [−1, 1] as squares of colour, the first row on top."""
    x, y = corner
    axes = figure.add_axes((x / WIDTH, y / HEIGHT, side / WIDTH, side / HEIGHT))
    axes.pcolormesh(
        values.flip(0).numpy(), cmap=COLOURS, vmin=-1, vmax=1, edgecolors="white", linewidth=1.5
    )
    axes.set_axis_off()


def write(
    figure: Figure, place: tuple[float, float], text: str, size: float = 9.5, align: str = "center"
) -> None:
    x, y = place
    figure.text(x / WIDTH, y / HEIGHT, text, size=size, color=INK, ha=align, va="center")


def main() -> None:
    write_bytes(Path(__file__).with_name("filters.svg"), draw())


if __name__ == "__main__":
    main()
