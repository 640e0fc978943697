"""A folder of images without hair: on all cores or a cluster, resumable, one image at a time."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from joblib import parallel_config

from harmonic.errors import InputError, one_line
from harmonic.files import write_bytes
from harmonic.images.decode import read_rgb, write_jpeg
from harmonic.images.hair import remove_hair
from harmonic.images.parallel import in_processes


def remove_hair_from_files(
    image_ids: Sequence[str],
    source: Path,
    target: Path,
    method: str,
    *,
    jobs: int = -1,
    cluster: str | None = None,
) -> int:
    """Write `target/<id>.jpg` for every `source/<id>.jpg`; return how many images were changed.

    An image in which no hair is found is copied byte for byte, never recompressed. Files that are
    already in `target` are whole and are passed over, so an interrupted run goes on. `cluster` is
    the address of a Dask scheduler, whose workers have to see both folders under the same paths;
    without one, `jobs` processes work here (-1: one per core). The bytes are the same.
    Raises InputError naming the file that cannot be decoded, and where no scheduler answers.
    """
    # Workers outlive a call and keep the working directory they were started in.
    source, target = source.absolute(), target.absolute()
    target.mkdir(parents=True, exist_ok=True)
    files = [(source / f"{each}.jpg", target / f"{each}.jpg", method) for each in image_ids]
    with _workers(cluster):
        return sum(in_processes(remove_hair_from_file, files, name="remove_hair", jobs=jobs))


@contextmanager
def _workers(cluster: str | None) -> Iterator[None]:
    """Make joblib work on a Dask cluster, or, without one, where it would anyway."""
    if cluster is None:
        yield
        return
    try:
        from distributed import Client
    except ImportError:
        raise InputError(
            f"remove_hair.cluster {cluster}: needs the package distributed, which is not installed"
        ) from None
    try:
        client = Client(cluster, timeout="10s")
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"remove_hair.cluster {cluster}: no Dask scheduler answers there ({one_line(error)})"
        ) from None
    with client, parallel_config(backend="dask"):
        yield


def remove_hair_from_file(source: Path, target: Path, method: str) -> bool:
    """One file of `remove_hair_from_files`; True where the image was changed."""
    if target.exists():
        return source.read_bytes() != target.read_bytes()
    image = read_rgb(source)
    try:
        cleaned = remove_hair(image, method=method)
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    if np.array_equal(cleaned, image):
        write_bytes(target, source.read_bytes(), alone=True)
        return False
    write_jpeg(target, cleaned)
    return True
