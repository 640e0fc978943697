"""`source: archive`: a zip file or folder in the layout of the Kaggle archive becomes data/raw.

Taken are the metadata table and the images, each by its bare file name, so that nothing an archive
says about folders can place a file anywhere else. The Kaggle archive holds every image twice
(HAM10000_images_part_1 and ham10000_images_part_1); it is kept once.
"""

import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from harmonic.data.sources.members import Member, copy, opened, refuse_large
from harmonic.errors import InputError

METADATA = "HAM10000_metadata.csv"
IMAGE = re.compile(r"[A-Za-z0-9_-]{1,64}\.jpg")


def fetch_archive(raw: Path, unfinished: Path, *, archive: Path) -> None:
    """Take the data set from an archive on disk; nothing unfinished is left."""
    import_archive(archive, raw)


def import_archive(archive: Path, raw: Path) -> None:
    """Copy the metadata and the images of `archive` to `raw/` and `raw/images/`.

    Files that are already there are taken as whole (each is written beside its place and moved),
    so an interrupted import goes on. Raises InputError, naming the archive and the member, for
    whatever `opened` refuses, and where there is no metadata or image, where two different files
    have one name, where a member is larger than any image or table of this data set, or where the
    disk has no room.
    """
    with opened(archive) as members:
        chosen = choose(members)
        if METADATA not in chosen:
            raise InputError(f"archive {archive}: has no {METADATA}")
        require_images([archive], chosen)
        place_members(chosen, raw)


def import_images(archives: Sequence[Path], raw: Path) -> None:
    """Copy the images of several archives to `raw/images/`, as import_archive does for one."""
    with ExitStack() as stack:
        members = [member for path in archives for member in stack.enter_context(opened(path))]
        chosen = choose(members)
        require_images(archives, chosen)
        place_members({place: chosen[place] for place in chosen if place != METADATA}, raw)


def require_images(archives: Sequence[Path], chosen: Mapping[str, Member]) -> None:
    if not chosen.keys() - {METADATA}:
        names = ", ".join(str(path) for path in archives)
        raise InputError(f"archive {names}: has no image (named like ISIC_0024306.jpg)")


def place_members(chosen: Mapping[str, Member], raw: Path) -> None:
    """Copy the members that are not yet at their places below `raw`."""
    (raw / "images").mkdir(parents=True, exist_ok=True)
    missing = {place: chosen[place] for place in sorted(chosen) if not (raw / place).exists()}
    require_free_disk({raw: sum(member.size for member in missing.values())})
    for place, member in tqdm(missing.items(), desc="import", unit="file", disable=None):
        copy(member, raw / place)


def choose(members: Iterable[Member]) -> dict[str, Member]:
    """Which member goes to which place below data/raw."""
    chosen: dict[str, Member] = {}
    for member in sorted(members, key=lambda member: member.name):
        place = place_of(member.name)
        if place is None:
            continue
        refuse_large(member)
        if (first := chosen.setdefault(place, member)) is not member:
            refuse_different(first, member)
    return chosen


def place_of(name: str) -> str | None:
    """Where below data/raw a file of an archive belongs; None for what is left aside."""
    *folders, base = PurePosixPath(name).parts
    if "truth" in folders:  # where the sample keeps its hair masks and hairless originals
        return None
    if base == METADATA:
        return METADATA
    return f"images/{base}" if IMAGE.fullmatch(base) else None


def refuse_different(first: Member, second: Member) -> None:
    if first.size != second.size or first.checksum() != second.checksum():
        raise InputError(
            f"archive {second.archive}: {first.name} and {second.name} are two different files "
            f"for {PurePosixPath(first.name).name}"
        )


def require_free_disk(needed: Mapping[Path, int]) -> None:
    """Raise InputError where a file system has less room than the folders on it need, in bytes.

    Asked before hours of downloading, not after. Folders need not exist yet. What several folders
    of one file system need is added up.
    """
    places: dict[int, tuple[Path, int]] = {}
    for folder, size in needed.items():
        existing = folder.absolute()
        while not existing.exists():
            existing = existing.parent
        device = existing.stat().st_dev
        first, total = places.get(device, (existing, 0))
        places[device] = (first, total + size)
    for folder, size in places.values():
        free = shutil.disk_usage(folder).free
        if size > free:
            raise InputError(
                f"disk of {folder}: {gigabytes(size)} are needed, {gigabytes(free)} are free"
            )


def gigabytes(size: int) -> str:
    return f"{size / 1e9:,.2f} GB"
