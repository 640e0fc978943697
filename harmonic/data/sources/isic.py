"""`source: isic`: the training set of the ISIC 2018 challenge, task 3: HAM10000 once more.

A zip file of the images and two tables (see `isic_tables`). No digests are published: the MD5 that
S3 shows of files uploaded in one piece is checked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harmonic.data.sources.archive import METADATA, find_table, import_archives
from harmonic.data.sources.isic_tables import LESIONS, TRUTH
from harmonic.data.sources.members import opened, require_free_disk
from harmonic.data.sources.transfer import RemoteFile, bytes_at_hand, download
from harmonic.errors import InputError
from harmonic.files import write_bytes

ADDRESS = "https://isic-challenge-data.s3.amazonaws.com/2018"
IMAGES = "ISIC2018_Task3_Training_Input.zip"
IMAGE_BYTES = 2_770_000_000
"""Of the zip file of images; about, as its size is not published (Dataverse's two make 2.77 GB)."""


def fetch_isic(
    raw: Path,
    unfinished: Path,
    *,
    address: str = ADDRESS,
    image_bytes: int = IMAGE_BYTES,
    stall_seconds: int = 30,
) -> None:
    """Download three files into `unfinished/isic` (2.8 GB) and bring them into Kaggle's form.

    Raises InputError as `download` and `import_archives` do, and where the tables do not fit.
    """
    folder = unfinished / "isic"
    to_come = max(image_bytes - bytes_at_hand(folder, IMAGES), 0)
    require_free_disk({folder: to_come, raw: image_bytes})
    raw.mkdir(parents=True, exist_ok=True)
    # The tables come first: small, and a fault in them shows before gigabytes are on the way.
    names = (LESIONS, TRUTH.replace(".csv", ".zip"), IMAGES)
    lesions, truth, images = [RemoteFile(n, f"{address}/{n}", md5_in_etag=True) for n in names]
    tables = [download(file, folder, stall_seconds=stall_seconds) for file in (lesions, truth)]
    with dropped_if_refused(*tables), opened(folder, folder) as members:
        write_bytes(raw / METADATA, find_table(members, str(folder)), alone=True)
    archive = download(images, folder, stall_seconds=stall_seconds)
    with dropped_if_refused(archive):
        import_archives([archive], raw)


@contextmanager
def dropped_if_refused(*files: Path) -> Iterator[None]:
    """Remove downloaded files that turn out to be unusable, so that the next run fetches them."""
    try:
        yield
    except InputError:
        for file in files:
            file.unlink(missing_ok=True)
        raise
