"""Tables in Markdown, as all pages have them."""

from collections.abc import Sequence

import pandas as pd


def markdown_table(
    heads: Sequence[str], rows: Sequence[Sequence[object]], *, right: Sequence[str] = ()
) -> str:
    """Rows of cells below their heads; columns named in `right` are aligned to the right."""
    table = pd.DataFrame([[str(cell) for cell in row] for row in rows], columns=list(heads))
    sides = ["right" if head in right else "left" for head in heads]
    text: str = table.to_markdown(index=False, disable_numparse=True, colalign=sides)
    return f"{text}\n"
