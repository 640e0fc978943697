"""The pages of results/: each a function from the folder of results to the files of the page."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

from harmonic.errors import InputError
from harmonic.files import write_bytes

Files = dict[str, str | bytes]
"""Contents by file name: Markdown, and the plots that it shows."""


def _of(module: str, function: str = "page") -> Callable[[Path], Files]:
    """The function of a module that is imported when the page is made."""

    def made(results: Path) -> Files:
        files: Files = getattr(import_module(f"studies.{module}"), function)(results)
        return files

    return made


def _comparison(name: str, results: Path) -> Files:
    from studies.pages.comparisons import comparison

    return comparison(name, results)


PAGES: dict[str, Callable[[Path], Files]] = {
    "comparison.md": partial(_comparison, "comparison"),
    "kinds.md": partial(_comparison, "kinds"),
    "comparison_long.md": partial(_comparison, "comparison_long"),
    "accuracy.md": _of("pages.accuracy"),
    "search.md": _of("pages.search"),
    "hair_effect.md": _of("pages.hair_effect"),
    "pipeline.md": _of("pages.pipeline"),
    "compression.md": _of("compression.page"),
    "small_data.md": _of("small_data.page"),
    "leak.md": _of("leak.summary"),
    "post_protocol.md": _of("post_protocol.page"),
    "leakage.svg": _of("pages.leakage"),
}


def write_page(page: str, results: Path) -> list[str]:
    """Make a page and its plots in `results`; returns the names of the files.

    Raises InputError for an unknown page, and where runs that it needs are missing.
    """
    if page not in PAGES:
        raise InputError(f"{page}: no page made here; allowed are {', '.join(PAGES)}")
    files = PAGES[page](results)
    for name, content in files.items():
        write_bytes(results / name, content if isinstance(content, bytes) else content.encode())
    return list(files)
