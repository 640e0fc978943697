"""`source: kaggle`: HAM10000 from Kaggle, through kagglehub's cache.

The cache mode is the one that resumes an interrupted download. The data set is public: kagglehub
uses credentials where it finds them (KAGGLE_API_TOKEN, ~/.kaggle/) and goes without otherwise.
"""

import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harmonic.data.sources.archive import import_archives
from harmonic.data.sources.members import require_free_disk
from harmonic.data.sources.transfer import size_of
from harmonic.errors import InputError, one_line

HANDLE = "kmader/skin-cancer-mnist-ham10000/versions/2"
ARCHIVE_BYTES = 5_582_914_511
"""Of the archive; the images are in it twice, so data/raw needs about half of it."""

BROKEN_ARCHIVE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError)
NEITHER_ZIP_NOR_TAR = "Unsupported archive type."
"""The message of kagglehub's ValueError."""


def fetch_kaggle(
    raw: Path, unfinished: Path, *, archive_bytes: int = ARCHIVE_BYTES, stall_seconds: int = 30
) -> None:
    """Download the archive into kagglehub's cache (5.6 GB; KAGGLEHUB_CACHE moves it).

    Raises InputError where Kaggle refuses, the connection breaks or is still for `stall_seconds`, a
    digest is wrong or the disk has no room. What came before a break stays in the cache.
    """
    import kagglehub
    from kagglehub import exceptions
    from kagglehub.cache import Cache
    from kagglehub.handle import parse_dataset_handle

    handle = parse_dataset_handle(HANDLE)
    cached = Path(Cache().get_archive_path(handle))
    if not Cache().load_from_cache(handle):
        to_come = max(archive_bytes - size_of(cached), 0)
        require_free_disk({cached: to_come + archive_bytes, raw: archive_bytes // 2})  # unpacked
    try:
        with patience(stall_seconds):
            folder = kagglehub.dataset_download(HANDLE)
    except exceptions.DataCorruptionError as error:
        raise InputError(
            f"kaggle {HANDLE}: damaged on the way, run again ({one_line(error)})"
        ) from None
    except BROKEN_ARCHIVE as error:
        raise no_archive(cached, error) from None
    except (
        OSError,  # requests' exceptions among them
        ValueError,
        exceptions.BackendError,
        exceptions.CredentialError,
        exceptions.NotFoundError,
        exceptions.UnauthenticatedError,
    ) as error:
        if str(error) == NEITHER_ZIP_NOR_TAR:
            raise no_archive(cached, error) from None
        raise InputError(
            f"kaggle {HANDLE}: the download failed ({one_line(error)}); run again to go on with "
            "it, or set source: archive and name a copy on disk"
        ) from None
    import_archives([Path(folder)], raw)


def no_archive(cached: Path, error: Exception) -> InputError:
    """What to raise for an archive that cannot be unpacked; it is removed from the cache.

    kagglehub takes an archive of the right length as whole, at every further run too.
    """
    cached.unlink(missing_ok=True)
    return InputError(f"kaggle {HANDLE}: no whole archive came, run again ({one_line(error)})")


@contextmanager
def patience(seconds: int) -> Iterator[None]:
    """Give every request of the client a time limit; kagglesdk sets none and would wait for ever.

    Its session is made inside, out of reach, so requests' transport is exchanged for the while.
    """
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send

    def send_in_time(
        self: Any, request: Any, stream: bool = False, timeout: Any = None, **rest: Any
    ) -> Any:
        return send(self, request, stream=stream, timeout=timeout or seconds, **rest)

    HTTPAdapter.send = send_in_time  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        HTTPAdapter.send = send  # type: ignore[method-assign]
