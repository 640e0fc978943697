"""The pages of results/: each a function from the folder of results to the files of the page."""

from importlib import import_module
from pathlib import Path

from harmonic.errors import InputError
from harmonic.files import write_bytes

PAGES = {
    "comparison.md": "pages.comparisons.comparison",
    "kinds.md": "pages.comparisons.kinds",
    "comparison_long.md": "pages.comparisons.comparison_long",
    "comparison_mixed.md": "pages.comparisons.comparison_mixed",
    "accuracy.md": "pages.accuracy.page",
    "search.md": "pages.search.page",
    "basis.md": "pages.basis.page",
    "hair_effect.md": "pages.hair_effect.page",
    "calibration.md": "pages.calibration.page",
    "pipeline.md": "pages.pipeline.page",
    "compression.md": "compression.page.page",
    "small_data.md": "small_data.page.page",
    "leak.md": "leak.summary.page",
    "post_protocol.md": "post_protocol.page.page",
    "leakage.svg": "pages.leakage.page",
}
"""The function of each, imported when the page is made: it gives contents by file name."""


def write_page(page: str, results: Path) -> list[str]:
    """Make a page and its plots; returns their names, or InputError for an unknown page."""
    if page not in PAGES:
        raise InputError(f"{page}: no page made here; allowed are {', '.join(PAGES)}")
    module, _, function = PAGES[page].rpartition(".")
    files: dict[str, str | bytes] = getattr(import_module(f"studies.{module}"), function)(results)
    for name, content in files.items():
        write_bytes(results / name, content if isinstance(content, bytes) else content.encode())
    return list(files)
