"""Tables in Markdown, as all pages have them; by hand, as `harmonic bench` has torch alone."""

import math
import re
from collections.abc import Sequence
from html import escape

from harmonic.errors import printable


def markdown_text(text: object) -> str:
    """Text from outside as it stands on a page: no HTML, no link, no end of a line or cell."""
    return escape(re.sub(r"[\\`|\[\]]", r"\\\g<0>", printable(text)), quote=False)


def with_interval(value: float, low: float, high: float, form: str = ".3f") -> str:
    """0.812 [0.790, 0.831], or 0.812 – where the ends are NaN; `form` is each number's."""
    ends = "–" if math.isnan(low) else f"[{low:{form}}, {high:{form}}]"
    return f"{value:{form}} {ends}"


def markdown_table(
    heads: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()
) -> str:
    """Rows of cells below their heads; columns named in `right` are aligned to the right."""
    table = [list(heads), *([printable(cell) for cell in row] for row in rows)]
    widths = [max(len(head) + 2, *map(len, cells)) for head, *cells in zip(*table, strict=True)]
    sides = [">" if head in right else "<" for head in heads]

    def line(cells: Sequence[str]) -> str:
        places = zip(cells, sides, widths, strict=True)
        padded = [f"{cell:{side}{width}}" for cell, side, width in places]
        return f"| {' | '.join(padded)} |\n"

    rules = (
        f"{'-' * (width + 1)}:" if side == ">" else f":{'-' * (width + 1)}"
        for side, width in zip(sides, widths, strict=True)
    )
    return f"{line(table[0])}|{'|'.join(rules)}|\n{''.join(map(line, table[1:]))}"
