"""A zip file or folder in the layout of the Kaggle archive becomes data/raw.

Taken are the metadata table and the images, each by its bare file name, so that nothing an archive
says about folders can place a file anywhere else. The Kaggle archive holds every image twice
(HAM10000_images_part_1 and ham10000_images_part_1); it is kept once.
"""

import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from tqdm import tqdm

from harmonic.errors import InputError

METADATA = "HAM10000_metadata.csv"
IMAGE = re.compile(r"[A-Za-z0-9_-]{1,64}\.jpg")
LARGEST_MEMBER = 64 * 2**20
LARGEST_RATIO = 200  # deflate reaches about 1000 on zeros; photographs and tables stay under 20


@dataclass(frozen=True)
class Member:
    """One file of an archive: how to open it, and how to tell it from another of the same name."""

    name: str
    size: int
    file: Path | zipfile.ZipInfo


def import_archive(archive: Path, raw: Path) -> None:
    """Copy the metadata and the images of `archive` to `raw/` and `raw/images/`.

    Files that are already there are taken as whole (each is written beside its place and moved),
    so an interrupted import goes on. Raises InputError, naming the archive and the member, where it
    is missing, no zip file or folder, cut short, encrypted, without metadata or images, where two
    different images have one name, or where a member is a link, has a name that leaves the archive,
    or is larger than any image or table of this data set.
    """
    (raw / "images").mkdir(parents=True, exist_ok=True)
    with opened(archive) as (members, zip_file):
        chosen = choose(archive, members)
        for place, member in tqdm(chosen.items(), desc="import", unit="file", disable=None):
            copy(archive, member, zip_file, raw / place)


def choose(archive: Path, members: list[Member]) -> Mapping[str, Member]:
    """Which member goes to which place below data/raw, in the order of the places."""
    chosen: dict[str, Member] = {}
    for member in sorted(members, key=lambda member: member.name):
        *folders, base = PurePosixPath(member.name).parts
        if "truth" in folders:  # where the sample keeps its hair masks and hairless originals
            continue
        if base == METADATA:
            place = METADATA
        elif IMAGE.fullmatch(base):
            place = f"images/{base}"
        else:
            continue
        if member.size > LARGEST_MEMBER:
            raise InputError(
                f"archive {archive}: {member.name} has {member.size} bytes; "
                f"at most {LARGEST_MEMBER} are allowed"
            )
        if chosen.setdefault(place, member).size != member.size:
            raise InputError(
                f"archive {archive}: {chosen[place].name} and {member.name} are two different files"
                f" for {base}"
            )
    if METADATA not in chosen:
        raise InputError(f"archive {archive}: has no {METADATA}")
    if len(chosen) == 1:
        raise InputError(f"archive {archive}: has no image (named like ISIC_0024306.jpg)")
    return dict(sorted(chosen.items()))


@contextmanager
def opened(archive: Path) -> Iterator[tuple[list[Member], zipfile.ZipFile | None]]:
    """The files of a folder or zip file; the zip file stays open inside the `with`."""
    if archive.is_dir():
        yield folder_members(archive), None
    elif archive.is_file():
        try:
            with zipfile.ZipFile(archive) as zip_file:
                yield zip_members(archive, zip_file), zip_file
        except (zipfile.BadZipFile, EOFError, zipfile.LargeZipFile) as error:
            raise InputError(
                f"archive {archive}: not a whole zip file ({error}); was its download cut short?"
            ) from None
    else:
        raise InputError(f"archive {archive} is not there; it must be a zip file or a folder")


def folder_members(folder: Path) -> list[Member]:
    members = []
    for path in folder.rglob("*"):
        if path.is_symlink():
            raise InputError(f"archive {folder}: {path.relative_to(folder)} is a symbolic link")
        if path.is_file():
            name = path.relative_to(folder).as_posix()
            members.append(Member(name, path.stat().st_size, path))
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
            members.append(Member(info.filename, info.file_size, info))
    return members


def copy(archive: Path, member: Member, zip_file: zipfile.ZipFile | None, place: Path) -> None:
    if place.exists():
        return
    unfinished = place.with_name(f"{place.name}.unfinished")
    try:
        with open_member(member, zip_file) as source, unfinished.open("wb") as target:
            shutil.copyfileobj(source, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"archive {archive}: {member.name} is damaged ({error})") from None
    if unfinished.stat().st_size != member.size:
        raise InputError(f"archive {archive}: {member.name} is not of the size it declares")
    unfinished.replace(place)


def open_member(member: Member, zip_file: zipfile.ZipFile | None) -> BinaryIO:
    if isinstance(member.file, Path):
        return member.file.open("rb")
    assert zip_file is not None
    return zip_file.open(member.file)  # type: ignore[return-value]
