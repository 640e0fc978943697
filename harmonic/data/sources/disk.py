"""Is there room? Asked before hours of downloading, not after."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from harmonic.errors import InputError


def require_free_disk(needed: Mapping[Path, int]) -> None:
    """Raise InputError where a file system has less room than the folders on it need, in bytes.

    Folders need not exist yet. What several folders of one file system need is added up.
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
