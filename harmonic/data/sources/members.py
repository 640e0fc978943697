"""The files inside a zip file or folder, and how to copy one out: what it says is not trusted.

A member goes to the place that the caller chooses, never to where its own name points.
"""

import errno
import lzma
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from harmonic.errors import InputError

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


@dataclass(frozen=True)
class Member:
    """One file of an archive: what it declares, and how to open it."""

    archive: Path
    name: str
    size: int
    file: Path | zipfile.ZipInfo
    zip_file: zipfile.ZipFile | None = None

    def open(self) -> BinaryIO:
        if isinstance(self.file, Path):
            return self.file.open("rb")
        assert self.zip_file is not None
        return self.zip_file.open(self.file)  # type: ignore[return-value]

    def checksum(self) -> int:
        """CRC-32 of the content; a zip file declares it, and zipfile checks it while reading."""
        if isinstance(self.file, zipfile.ZipInfo):
            return self.file.CRC
        crc = 0
        with self.file.open("rb") as content:
            while chunk := content.read(2**20):
                crc = zlib.crc32(chunk, crc)
        return crc


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
        if path.is_symlink():
            raise InputError(f"archive {folder}: {path.relative_to(folder)} is a symbolic link")
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            members.append(Member(folder, name, path.stat().st_size, path))
    return members


def zip_members(archive: Path, zip_file: zipfile.ZipFile) -> list[Member]:
    members = []
    names: set[str] = set()
    for info in zip_file.infolist():
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        if info.filename.startswith(("/", "\\")) or ".." in parts or ":" in info.filename:
            raise InputError(f"archive {archive}: {info.filename!r} leaves the archive's folder")
        if info.filename in names:
            raise InputError(f"archive {archive}: {info.filename} is in it twice")
        names.add(info.filename)
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InputError(f"archive {archive}: {info.filename} is a symbolic link")
        if info.flag_bits & 0x1:
            raise InputError(f"archive {archive}: {info.filename} is encrypted")
        if info.file_size > LARGEST_RATIO * max(info.compress_size, 1024):
            raise InputError(
                f"archive {archive}: {info.filename} unpacks to {info.file_size} bytes from "
                f"{info.compress_size}; a ratio of at most {LARGEST_RATIO} is allowed"
            )
        if not info.is_dir():
            members.append(Member(archive, info.filename, info.file_size, info, zip_file))
    return members


def refuse_large(member: Member) -> None:
    """Raise InputError where a member is larger than any file of this data set."""
    if member.size > LARGEST_MEMBER:
        raise InputError(
            f"archive {member.archive}: {member.name} has {member.size} bytes; "
            f"at most {LARGEST_MEMBER} are allowed"
        )


def copy(member: Member, place: Path) -> None:
    """Write a member to `place`, whole or not at all; a file that is already there is kept.

    No more bytes than the member declares are ever written. Raises InputError where the content is
    damaged or of another size.
    """
    if place.exists():
        return
    unfinished = place.with_name(f"{place.name}.unfinished")
    try:
        with member.open() as source, unfinished.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # of the disk; bz2 and a wrong offset raise OSError without or with EINVAL
        raise InputError(f"archive {member.archive}: {member.name} is damaged ({error})") from None
    if unfinished.stat().st_size != member.size:
        raise InputError(f"archive {member.archive}: {member.name} is not of the size it declares")
    unfinished.replace(place)
