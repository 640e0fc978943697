"""The files of a folder or zip file, and of zip files inside it: what each is, and how to open it.

Nothing that an archive says is trusted: a file has a `fault` where it must not be taken, so that
one that nobody needs does no harm.
"""

import errno
import lzma
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import IO

from harmonic.errors import InputError
from harmonic.files import whole

LARGEST_MEMBER = 64 * 2**20
"""Bytes; an original photograph has 0.3 MB, the metadata table 0.7 MB."""
READ = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
"""Methods of compression; Windows' Explorer takes Deflate64 above 2 GB."""
LARGEST_RATIO = 200
"""Deflate reaches about 1000 on zeros; photographs and tables stay under 20."""
DEEPEST = 2
"""A zip file in a zip file in a folder is looked into, and no further one inside it."""
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
    open: Callable[[], IO[bytes]]
    declared: int | None = None
    """CRC-32 of the content, which zipfile checks while reading."""
    fault: InputError | None = None
    """Why it must not be taken."""

    @property
    def path(self) -> PurePosixPath:
        """Its name, which has backslashes where Windows made the archive."""
        return PurePosixPath(self.name.replace("\\", "/"))

    @property
    def suffix(self) -> str:
        return self.path.suffix.lower()

    def checked(self) -> "Member":
        """Itself; raises InputError where it has a fault, or is larger than any file needed."""
        if self.fault:
            raise self.fault
        if self.size > LARGEST_MEMBER:
            raise self.refused(f"has {self.size} bytes; at most {LARGEST_MEMBER} are allowed")
        return self

    def refused(self, why: str) -> InputError:
        return InputError(f"archive {self.archive}: {self.name} {why}")

    def checksum(self) -> int:
        return zlib.crc32(self.read()) if self.declared is None else self.declared

    def read(self) -> bytes:
        """The content. Raises InputError where it is damaged."""
        with named_if_damaged(self), self.open() as source:
            return source.read()

    def copy(self, place: Path) -> None:
        """Write the content to `place`, whole or not at all, and no more bytes than it declares.

        Raises InputError where it is damaged or of another size.
        """
        with whole(place, alone=True) as unfinished:
            with named_if_damaged(self), self.open() as source, unfinished.open("wb") as target:
                shutil.copyfileobj(source, target)
            if unfinished.stat().st_size != self.size:
                raise self.refused("is not of the size it declares")


@contextmanager
def named_if_damaged(member: Member) -> Iterator[None]:
    try:
        yield
    except (*DAMAGED, OSError) as error:
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise  # of the disk; bz2 and a wrong offset raise OSError without or with EINVAL
        raise member.refused(f"is damaged ({error}); was its download cut short?") from None


@contextmanager
def opened(archive: Path, scratch: Path) -> Iterator[list[Member]]:
    """The files of a folder or zip file, which stays open inside the `with`.

    Zip files in it are opened too; one inside another takes its size on the disk of the folder
    `scratch` for so long. Raises InputError, naming the archive, where it is missing, neither zip
    file nor folder, or cut short. A member has a fault where it is a link or encrypted, stands in
    the archive twice, has a name that leaves it, would unpack to more than LARGEST_RATIO times its
    size, or is a zip file that cannot be opened.
    """
    with ExitStack() as stack:
        if archive.is_dir():
            members = folder_members(archive)
        elif archive.is_file():
            try:
                zip_file = stack.enter_context(zipfile.ZipFile(archive))
                members = zip_members(archive, zip_file)
            except (*DAMAGED, OSError) as error:
                raise InputError(
                    f"archive {archive}: not a whole zip file ({error}); was its download cut "
                    "short?"
                ) from None
        else:
            raise InputError(f"archive {archive} is not there; it must be a zip file or a folder")
        for _ in range(DEEPEST if archive.is_dir() else DEEPEST - 1):
            members = [one for member in members for one in unzipped(member, stack, scratch)]
        yield members


def folder_members(folder: Path) -> list[Member]:
    members = []
    for path in folder.rglob("*"):
        member = Member(folder, path.relative_to(folder).as_posix(), 0, partial(FileIO, path))
        if path.is_symlink():
            members.append(replace(member, fault=member.refused("is a symbolic link")))
        elif path.is_file():
            members.append(replace(member, size=path.stat().st_size))
    return members


def zip_members(archive: Path, zip_file: zipfile.ZipFile, within: str = "") -> list[Member]:
    members = []
    times: Counter[str] = Counter()
    for info in zip_file.infolist():
        times[info.filename] += 1
        if not info.is_dir():
            name, open_it = within + info.filename, partial(zip_file.open, info)
            member = Member(archive, name, info.file_size, open_it, info.CRC)
            why = fault_of(info, times[info.filename])
            members.append(replace(member, fault=member.refused(why) if why else None))
    return members


def fault_of(info: zipfile.ZipInfo, times: int) -> str:
    """Why this entry, the `times`-th of its name, must not be taken; nothing where it may be."""
    name = info.filename.replace("\\", "/")
    if name.startswith("/") or ".." in PurePosixPath(name).parts or ":" in name:
        return "leaves the archive's folder"
    if times > 1:
        return "is in it twice"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a symbolic link"
    if info.compress_type not in READ:
        return "is compressed by Deflate64 or newer, which is not read; unpack it, give the folder"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.file_size > LARGEST_RATIO * max(info.compress_size, 1024):
        return (
            f"unpacks to {info.file_size} bytes from {info.compress_size}; "
            f"a ratio of at most {LARGEST_RATIO} is allowed"
        )
    return ""


def unzipped(member: Member, stack: ExitStack, scratch: Path) -> list[Member]:
    """The files in a zip file of an archive; any other member as it is."""
    if member.suffix != ".zip" or member.fault:
        return [member]
    try:
        if member.declared is not None:
            require_free_disk({scratch: member.size})
        with named_if_damaged(member):
            content = stack.enter_context(member.open())
            if member.declared is not None:  # a compressed file is read from its start at each seek
                unpacked = stack.enter_context(tempfile.TemporaryFile(dir=scratch))  # noqa: SIM115
                shutil.copyfileobj(content, unpacked)
                content = unpacked
            zip_file = stack.enter_context(zipfile.ZipFile(content))
            return zip_members(member.archive, zip_file, f"{member.name}/")
    except InputError as error:
        return [replace(member, fault=error)]


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
