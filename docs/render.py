"""README and those pages of docs/ that name figures, made from docs/templates/ and results/.

    python -m docs.render           # write them
    python -m docs.render --check   # status 1 where a page is not what its template gives

A template lies under docs/templates/ where its page lies under the repository. No figure that a run
gave is typed there: `row`, `words`, `metric` and the others of docs/figures.py read it. Change the
template, never the page.
"""

import argparse
import sys
import textwrap
from collections.abc import Callable

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from docs import figures
from harmonic import filter_bank
from harmonic.errors import InputError
from harmonic.files import write_text

TEMPLATES = figures.ROOT / "docs" / "templates"
READERS: list[Callable[..., object]] = [
    *(figures.between, figures.lines, figures.row, figures.rows, figures.words),
    *(figures.all_above, figures.earlier, figures.metric, figures.published),
]
"""What a template may ask."""
NUMBERS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]


def minus(text: object) -> str:
    """Hyphens before digits as minus signs: -0.2 as −0.2."""
    return str(text).replace("-", "−")


def unsigned(text: object) -> str:
    """Without plus signs, for a figure whose direction the sentence names."""
    return minus(text).replace("+", "")


def spelled(number: object) -> str:
    """A whole number up to ten as a word."""
    return NUMBERS[int(str(number))]


def decimals(value: object, places: int, sign: str = "-") -> str:
    return minus(f"{float(str(value)):{sign}.{places}f}")


def interval(bounds: tuple[float, float], places: int = 3) -> str:
    low, high = (decimals(bound, places) for bound in bounds)
    return f"[{low}, {high}]"


def first_word(text: str) -> str:
    return text.split()[0]


FILTERS: list[Callable[..., str]] = [decimals, first_word, interval, minus, spelled, unsigned]


def environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(TEMPLATES), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    found.filters.update({one.__name__: one for one in FILTERS})
    found.globals.update({reader.__name__: reader for reader in READERS})
    found.globals["compare_small"] = figures.command("comparison.md").split(" --plot")[0]
    found.globals["kept"] = lambda level: len(filter_bank(3, level=level))
    return found


def filled(text: str) -> str:
    """Paragraphs broken anew at 100 characters, as figures differ in width; all else as it is."""

    def broken(block: str) -> str:
        bare = block.strip()
        if not bare or bare.startswith(("|", "#", "- ")):
            return block
        lines = textwrap.fill(bare, 100, break_long_words=False, break_on_hyphens=False)
        return block.replace(bare, lines)

    pieces = text.split("```")
    pieces[::2] = ["\n\n".join(map(broken, piece.split("\n\n"))) for piece in pieces[::2]]
    return "```".join(pieces)


def rendered() -> dict[str, str]:
    """Every page that has a template, by its path in the repository."""
    templates = environment()
    pages = sorted(path.relative_to(TEMPLATES) for path in TEMPLATES.rglob("*.md.j2"))
    return {
        str(page.with_suffix("")): filled(templates.get_template(page.as_posix()).render())
        for page in pages
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m docs.render",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args(arguments).check
    stale = []
    try:
        for page, text in rendered().items():
            path = figures.ROOT / page
            if not path.is_file() or path.read_text(encoding="utf-8") != text:
                stale.append(page)
                if not check:
                    write_text(path, text)
    except InputError as error:
        print(f"render: {error}", file=sys.stderr)
        return 1
    for page in stale:
        print(f"{page}: not what its template gives" if check else page)
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
