"""HAM10000 from Kaggle, through kagglehub's cache.

The cache mode is the one that resumes an interrupted download. The data set is public: kagglehub
uses credentials where it finds them (KAGGLE_API_TOKEN, ~/.kaggle/) and goes without otherwise.
"""

from pathlib import Path

from harmonic.data.sources.archive import import_archive
from harmonic.errors import InputError

HANDLE = "kmader/skin-cancer-mnist-ham10000/versions/2"


def fetch_kaggle(raw: Path) -> None:
    """Download the archive into kagglehub's cache (5.6 GB; KAGGLEHUB_CACHE moves it).

    Raises InputError with one line where Kaggle refuses, the connection breaks or a digest is
    wrong; what was downloaded before a broken connection stays in the cache and is not fetched
    again.
    """
    import kagglehub
    from kagglehub.exceptions import DataCorruptionError
    from requests import RequestException

    try:
        folder = kagglehub.dataset_download(HANDLE)
    except DataCorruptionError as error:
        raise InputError(f"kaggle {HANDLE}: damaged on the way, run again ({error})") from None
    except (RequestException, OSError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(
            f"kaggle {HANDLE}: the download failed ({reason}); run again to go on with it, "
            "or set source: archive and name a copy on disk"
        ) from None
    import_archive(Path(folder), raw)
