"""Writing files that belong to someone: whole or not at all, and never over what must stay.

A file is written beside its place, under a hidden name, and moved there when it is whole. So a full
disk, an error or a kill leaves the old file or the new one, never half of one. Other hard links of
the old file keep their content (DVC's cache may be one), a symbolic link is replaced, not followed.
"""

import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from harmonic.errors import InputError

UNFINISHED = ".unfinished-"
"""How the names of files begin that are being written; a kill leaves one behind."""


@contextmanager
def whole(path: Path, *, alone: bool = False) -> Iterator[Path]:
    """A hidden path beside `path`, with its suffix: what the block writes there becomes `path`.

    The file is an empty one at first, and removed where the block raises. It has the permissions of
    the file that it replaces, else those that the umask leaves, and may always be written by its
    owner (DVC takes that right from files in its cache). `alone` says that nobody else writes
    `path` and that a killed run is taken up again: the hidden name is then the same each time, and
    what a kill left is overwritten.
    Raises InputError, naming `path` and the reason, where it cannot be written.
    """
    check_place(str(path), path)
    name = path.name if alone else f"{secrets.token_hex(8)}{path.suffix[:20]}"
    unfinished = path.with_name(UNFINISHED + name)
    try:
        unfinished.touch(exist_ok=alone)
        if os.path.exists(path):  # noqa: PTH110  False, too, for a name that no file can have
            unfinished.chmod(path.stat().st_mode & 0o777 | stat.S_IWUSR)
        yield unfinished
        with unfinished.open("rb") as content:
            os.fsync(content.fileno())
        unfinished.replace(path)
    except OSError as error:
        if error.filename is not None and str(error.filename) != str(unfinished):
            raise  # of another file, that the block reads
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    finally:
        with suppress(OSError):
            unfinished.unlink()


def write_bytes(path: Path, content: bytes, *, alone: bool = False) -> None:
    """`Path.write_bytes`, by way of `whole`."""
    with whole(path, alone=alone) as unfinished:
        unfinished.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """`Path.write_text` in UTF-8, every line ending as it is, by way of `whole`."""
    write_bytes(path, text.encode())


def write_json(path: Path, content: Any) -> None:
    """Readable JSON whose bytes depend on the content alone, by way of `whole`."""
    write_text(path, json_text(content))


def json_text(content: Any) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def write_together(texts: Mapping[Path, str]) -> None:
    """Write files that belong together: in the order given, when all are whole."""
    with ExitStack() as files:
        for path, text in reversed(list(texts.items())):
            files.enter_context(whole(path)).write_bytes(text.encode())


def check_outputs(
    outputs: Iterable[tuple[str, Path | None]], *, used: Iterable[Path] = (), force: bool = False
) -> None:
    """Raises InputError where a command must not write to one of its outputs; called before work.

    `outputs` are options, for the message, and their paths, None where one is not given; two of
    them must not be one file. `used` is what the command reads, for a folder every file in it: that
    even `force`, by which the user replaces files, does not give up. Links are seen through.
    """
    taken = {identity(file): file for path in used for file in files_of(path)}
    for option, path in outputs:
        if path is None:
            continue
        check_place(f"{option} {path}", path)
        other = taken.setdefault(identity(path), path)
        if other is not path:
            raise InputError(
                f"{option} {path}: is the file {other}, which this command uses; give another name"
            )
        if os.path.lexists(path) and not force:
            raise InputError(
                f"{option} {path}: is there already; give another name, or --force to replace it"
            )


def check_place(name: str, path: Path) -> None:
    """Raises InputError where no file can stand at `path`, and where a device or pipe does."""
    if os.path.isdir(path):  # noqa: PTH112  pathlib raises for a name that no file can have
        raise InputError(f"{name}: is a folder, give a file in it")
    if not os.path.isdir(path.absolute().parent):  # noqa: PTH112
        raise InputError(f"{name}: no such folder {path.parent}")
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113
        raise InputError(f"{name}: is no regular file, and is not replaced by one")


def identity(path: Path) -> tuple[int, int] | str:
    """The same for all paths that lead to one file; where there is none, to where one would be."""
    try:
        found = path.stat()
    except OSError:
        return os.path.realpath(path)
    return found.st_dev, found.st_ino


def files_of(path: Path) -> Iterator[Path]:
    """All files in a folder; anything else is itself."""
    if not path.is_dir():
        yield path
    for place, _, names in os.walk(path):
        yield from (Path(place) / name for name in names)
