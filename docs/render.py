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
NAMES = {
    "studies": "studies",
    "presets": "studies/presets.py",
    "hair": "harmonic/images/hair/__init__.py",
    "directional": "harmonic/images/hair/directional.py",
    "run_all": "python -m studies run small --archive ZIP --arms harmonic,cnn --seeds 3,4",
    "run_list": "python -m studies run small --list",
    "run_pages": "python -m studies pages",
    "run_leak": "python -m studies leak",
    "run_post": "python -m studies post-protocol",
    "run_leakage": "python -m studies pages leakage.svg",
    "run_little": "python -m studies small-data",
    "run_hair": "python -m benchmarks.hair",
    "run_phantoms": "python -m benchmarks.contact_sheet",
}
"""What other rooms may rename: their commands, as the templates name them."""
READERS: tuple[Callable[..., object], ...] = (
    *(figures.between, figures.lines, figures.row, figures.rows, figures.words),
    *(figures.all_above, figures.earlier, figures.metric, figures.published),
)
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
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters.update({one.__name__: one for one in FILTERS})
    found.globals.update({reader.__name__: reader for reader in READERS})
    found.globals.update(NAMES)
    found.globals["compare_small"] = figures.command("comparison.md").split(" --plot")[0]
    found.globals["kept"] = lambda level: len(filter_bank(3, level=level))
    return found


def filled(text: str) -> str:
    """Paragraphs broken anew at 100 characters, as figures differ in width; all else as it is."""
    pieces = text.split("```")
    for place, piece in enumerate(pieces[::2]):
        blocks = piece.split("\n\n")
        for number, block in enumerate(blocks):
            if block.strip() and not block.lstrip("\n").startswith(("|", "#", "- ")):
                broken = textwrap.fill(
                    block.strip(), 100, break_long_words=False, break_on_hyphens=False
                )
                before, after = block.partition(block.strip())[::2]
                blocks[number] = before + broken + after
        pieces[2 * place] = "\n\n".join(blocks)
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
