"""Many image files, one array: resized on all cores and written in order."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from harmonic.images.decode import read_rgb
from harmonic.images.parallel import in_processes
from harmonic.images.resize import resize


def stack_resized(
    paths: Sequence[Path], target: Path, size: int, aspect: str, *, jobs: int = -1
) -> None:
    """Resize every file into one .npy array, uint8 (N, size, size, 3), in the order of `paths`.

    The array is written through a memory map, so memory does not grow with N.
    """
    array = np.lib.format.open_memmap(
        target, mode="w+", dtype=np.uint8, shape=(len(paths), size, size, 3)
    )
    # A file that a full disk cuts short would end the process (SIGBUS) when the map is written.
    with target.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, target.stat().st_size)
    files = [(path.absolute(), size, aspect) for path in paths]
    for row, image in enumerate(in_processes(resized_file, files, name="resize", jobs=jobs)):
        array[row] = image
    array.flush()


def resized_file(path: Path, size: int, aspect: str) -> np.ndarray:
    return resize(read_rgb(path), size, aspect)
