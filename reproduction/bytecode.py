"""Compiled modules that Python would run, though their source says something else.

Python holds a `.pyc` against the size and the second of its source (PEP 552), which a copy that
keeps times, or two edits within a second, can leave as they were.
"""

from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from importlib.util import cache_from_source
from pathlib import Path

from stages.harness.shadows import OWN


def stale_bytecode(root: Path) -> Iterator[str]:
    """A line for each `.pyc` of this interpreter that it would run instead of what it compiles."""
    for source in sorted(path for package in OWN for path in (root / package).rglob("*.py")):
        compiled = cache_from_source(str(source))
        if not Path(compiled).is_file():
            continue
        loader = SourceFileLoader(source.stem, str(source))
        try:
            same = loader.get_code(source.stem) == loader.source_to_code(
                loader.get_data(str(source)), str(source)
            )
        except (EOFError, ImportError, SyntaxError, TypeError, ValueError):
            same = False
        if not same:
            yield f"{compiled} is not what {source.name} compiles to; remove it"
