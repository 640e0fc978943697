"""`source: archive`: a zip file or folder in the layout of the Kaggle archive becomes data/raw.

Taken are the metadata table and the images, each by its bare file name, so that nothing an archive
says about folders can place a file anywhere else. The Kaggle archive holds every image twice
(HAM10000_images_part_1 and ham10000_images_part_1); it is kept once.
"""

import errno
import lzma
import re
import shutil
import stat
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import IO

from tqdm import tqdm

from harmonic.data.metadata import SAFE_ID
from harmonic.errors import InputError
from harmonic.files import whole

METADATA = "HAM10000_metadata.csv"
LARGEST_MEMBER = 64 * 2**20
"""Bytes; an original photograph has 0.3 MB, the metadata table 0.7 MB."""
LARGEST_RATIO = 200
"""Deflate reaches about 1000 on zeros; photographs and tables stay under 20."""
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    RuntimeError,  # among others a compression or zip version that zipfile does not know
    ValueError,  # names that are not in the encoding they declare
)
"""What zipfile raises for files that are none of its kind."""


def fetch_archive(raw: Path, unfinished: Path, *, archive: Path) -> None:
    """Take the data set from an archive on disk; nothing unfinished is left."""
    import_archives([archive], raw)


def import_archives(archives: Sequence[Path], raw: Path, *, table: bool = True) -> None:
    """Copy images of archives to `raw/images/` and, with `table`, their metadata to `raw/`.

    Files that are already there are whole and are kept, so an interrupted import goes on. Raises
    InputError, naming the archive and the member, for whatever `opened` refuses, and where there is
    no metadata or image, where two different files have one name, where a member is larger than any
    image or table of this data set, or where the disk has no room.
    """
    names = ", ".join(str(path) for path in archives)
    with ExitStack() as stack:
        chosen = choose(member for path in archives for member in stack.enter_context(opened(path)))
        metadata = chosen.pop(METADATA, None)
        if table and metadata is None:
            raise InputError(f"archive {names}: has no {METADATA}")
        if not chosen:
            raise InputError(f"archive {names}: has no image (named like ISIC_0024306.jpg)")
        if table and metadata is not None:
            chosen[METADATA] = metadata
        (raw / "images").mkdir(parents=True, exist_ok=True)
        missing = {place: chosen[place] for place in sorted(chosen) if not (raw / place).exists()}
        require_free_disk({raw: sum(member.size for member in missing.values())})
        for place, member in tqdm(missing.items(), desc="import", unit="file", disable=None):
            copy(member, raw / place)


@dataclass(frozen=True)
class Member:
    """One file of an archive: what it declares, and how to open it."""

    archive: Path
    name: str
    size: int
    open: Callable[[], IO[bytes]]
    declared: int | None = None
    """CRC-32 of the content, which zipfile checks while reading."""

    def checksum(self) -> int:
        if self.declared is not None:
            return self.declared
        with self.open() as content:
            return zlib.crc32(content.read())


@contextmanager
def opened(archive: Path) -> Iterator[list[Member]]:
    """The files of a folder or zip file, which stays open inside the `with`.

    Raises InputError, naming the archive and the member: it is missing, neither zip file nor
    folder, cut short or encrypted; a member is a link, stands in it twice, has a name that leaves
    the archive, or would unpack to more than LARGEST_RATIO times its size.
    """
    if archive.is_dir():
        yield folder_members(archive)
    elif archive.is_file():
        try:
            zip_file = zipfile.ZipFile(archive)
        except (*DAMAGED, OSError) as error:
            raise InputError(
                f"archive {archive}: not a whole zip file ({error}); was its download cut short?"
            ) from None
        with zip_file:
            yield zip_members(archive, zip_file)
    else:
        raise InputError(f"archive {archive} is not there; it must be a zip file or a folder")


def folder_members(folder: Path) -> list[Member]:
    members = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise InputError(f"archive {folder}: {name} is a symbolic link")
        if path.is_file():
            size = path.stat().st_size
            members.append(Member(folder, name, size, partial(FileIO, path)))
    return members


def zip_members(archive: Path, zip_file: zipfile.ZipFile) -> list[Member]:
    members = []
    names: set[str] = set()
    for info in zip_file.infolist():
        name = info.filename
        parts = PurePosixPath(name.replace("\\", "/")).parts
        if name.startswith(("/", "\\")) or ".." in parts or ":" in name:
            raise InputError(f"archive {archive}: {name!r} leaves the archive's folder")
        if name in names:
            raise InputError(f"archive {archive}: {name} is in it twice")
        names.add(name)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InputError(f"archive {archive}: {name} is a symbolic link")
        if info.flag_bits & 0x1:
            raise InputError(f"archive {archive}: {name} is encrypted")
        if info.file_size > LARGEST_RATIO * max(info.compress_size, 1024):
            raise InputError(
                f"archive {archive}: {name} unpacks to {info.file_size} bytes from "
                f"{info.compress_size}; a ratio of at most {LARGEST_RATIO} is allowed"
            )
        if not info.is_dir():
            open_it = partial(zip_file.open, info)
            members.append(Member(archive, name, info.file_size, open_it, info.CRC))
    return members


def choose(members: Iterable[Member]) -> dict[str, Member]:
    """Which member goes to which place below data/raw; whatever else there is, is left aside."""
    chosen: dict[str, Member] = {}
    for member in sorted(members, key=lambda member: member.name):
        *folders, base = PurePosixPath(member.name).parts
        if "truth" in folders:  # where the sample keeps its hair masks and hairless originals
            continue
        if base != METADATA and not re.fullmatch(rf"{SAFE_ID}\.jpg", base):
            continue
        refuse_large(member)
        place = base if base == METADATA else f"images/{base}"
        first = chosen.setdefault(place, member)
        if first.size != member.size or first.checksum() != member.checksum():
            raise InputError(
                f"archive {member.archive}: {first.name} and {member.name} are two different "
                f"files for {base}"
            )
    return chosen


def refuse_large(member: Member) -> None:
    """Raise InputError where a member is larger than any file of this data set."""
    if member.size > LARGEST_MEMBER:
        raise InputError(
            f"archive {member.archive}: {member.name} has {member.size} bytes; "
            f"at most {LARGEST_MEMBER} are allowed"
        )


def copy(member: Member, place: Path) -> None:
    """Write a member to `place`, whole or not at all, and no more bytes than it declares.

    Raises InputError where the content is damaged or of another size.
    """
    with whole(place, alone=True) as unfinished:
        try:
            with member.open() as source, unfinished.open("wb") as target:
                shutil.copyfileobj(source, target)
        except (*DAMAGED, OSError) as error:
            if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
                raise  # of the disk; bz2 and a wrong offset raise OSError without or with EINVAL
            raise InputError(
                f"archive {member.archive}: {member.name} is damaged ({error})"
            ) from None
        if unfinished.stat().st_size != member.size:
            raise InputError(
                f"archive {member.archive}: {member.name} is not of the size it declares"
            )


def require_free_disk(needed: Mapping[Path, int]) -> None:
    """Raise InputError where a file system has less room than the folders on it need, in bytes.

    Asked before hours of downloading, not after. Folders need not exist yet.
    """
    place_of: dict[int, Path] = {}
    total: Counter[int] = Counter()
    for folder, size in needed.items():
        place = folder.absolute()
        existing = next(path for path in (place, *place.parents) if path.exists())
        device = existing.stat().st_dev
        place_of.setdefault(device, existing)
        total[device] += size
    for device, folder in place_of.items():
        free = shutil.disk_usage(folder).free
        if total[device] > free:
            raise InputError(
                f"disk of {folder}: {total[device] / 1e9:,.2f} GB are needed, "
                f"{free / 1e9:,.2f} GB are free"
            )
