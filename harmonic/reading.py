"""Tables, JSON and YAML from outside: bounded in what they may become, refused in one line.

A few bytes can unpack to gigabytes, nest deeper than Python's stack, or name the same branch over
and over; and the parsers raise nearly anything on text that is damaged. All of it ends here.
"""

import io
import json
import zlib
from pathlib import Path
from typing import Any

from harmonic.errors import InputError, one_line

LARGEST_TABLE = 2**25
"""Bytes, unpacked; the answers of a run for all of HAM10000 have a million."""
LONGEST_LINE = 100_000
LARGEST_TREE = 2**17
"""Bytes of YAML; a dvc.lock has 31,000."""
DEEPEST = 30
"""Branches within branches in YAML; this project has five."""


def content_of(path: Path) -> bytes:
    """The bytes of a file. Raises InputError where it is not there, or none that can be read."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_TABLE + 1)
    except FileNotFoundError:
        raise InputError(f"{path} is not there") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; it must be a file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > LARGEST_TABLE:
        raise InputError(f"{path}: has more than {LARGEST_TABLE:,} bytes")
    return content


def lines_of(content: bytes, name: str) -> bytes:
    """The text of a table, gzipped or not. Raises InputError where it, or a line, is too long."""
    if content[:2] == b"\x1f\x8b":
        unpacking = zlib.decompressobj(wbits=31)  # gzip
        try:
            content = unpacking.decompress(content, LARGEST_TABLE + 1)
        except zlib.error as error:
            raise InputError(f"{name}: no readable CSV table ({error})") from None
        if not unpacking.eof and len(content) <= LARGEST_TABLE:
            raise InputError(f"{name}: no readable CSV table (it is cut short)")
    if len(content) > LARGEST_TABLE:
        raise InputError(f"{name}: has more than {LARGEST_TABLE:,} bytes")
    import numpy as np  # not before exact mode is set up, for what reads parameters alone

    signs = np.frombuffer(content, dtype=np.uint8)
    ends = np.flatnonzero((signs == ord("\n")) | (signs == ord("\r")))
    longest = np.diff(ends, prepend=-1, append=len(signs)).max() - 1
    if longest > LONGEST_LINE:
        raise InputError(f"{name}: a line has {longest} bytes; {LONGEST_LINE} are allowed")
    return content


def json_in(content: bytes, name: str) -> Any:
    """What a JSON file holds. Raises InputError where it is none."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{name}: no valid JSON ({one_line(error)})") from None


def yaml_in(content: bytes, name: str) -> Any:
    """What a YAML 1.2 file holds (`1e-4` is a number); None for an empty one.

    Raises InputError where it is none, is too large or deep, or has an alias (*name): nine lines of
    them can stand for more values than there is memory.
    """
    if len(content) > LARGEST_TREE:
        raise InputError(f"{name}: has {len(content)} bytes; {LARGEST_TREE} are allowed")
    try:
        found = yaml_parser().load(io.BytesIO(content))
        str(found)  # raises for a hexadecimal number that is too long to be shown
        return found
    except Exception as error:  # ruamel's constructors raise what Python's types do
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or one_line(error)
        raise InputError(f"{name}{where}: no valid YAML ({what})") from None


def yaml_parser() -> Any:
    """Made anew each time, as one that has failed goes on in the text that it failed in."""
    from ruamel.yaml import YAML
    from ruamel.yaml.composer import Composer, ComposerError
    from ruamel.yaml.events import AliasEvent

    class Bounded(Composer):
        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            event = self.parser.peek_event()
            if isinstance(event, AliasEvent):
                raise ComposerError(None, None, f"alias *{event.anchor}", event.start_mark)
            if self.depth > DEEPEST:
                raise ComposerError(None, None, "nested too deeply", event.start_mark)
            self.depth += 1
            try:
                return super().compose_node(parent, index)
            finally:
                self.depth -= 1

    parser = YAML(typ="safe", pure=True)
    parser.Composer = Bounded
    return parser
