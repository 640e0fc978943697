"""`source: dataverse`: HAM10000 from Harvard Dataverse, doi:10.7910/DVN/DBW86T, version 4.

Two zip files of images and the table; no account is needed. Sizes and MD5 are those that the
Dataverse record shows.
"""

from collections.abc import Sequence
from pathlib import Path

from harmonic.data.sources.archive import METADATA, import_archives
from harmonic.data.sources.members import require_free_disk
from harmonic.data.sources.transfer import RemoteFile, bytes_at_hand, download
from harmonic.files import write_bytes

ADDRESS = "https://dataverse.harvard.edu/api/access/datafile"
# Without format=original the server converts the table to tab-separated text.
RECORD = {
    METADATA: ("4338392?format=original", 690_218, "8f85fb1aa29d80a2797247e434deb79d"),
    "HAM10000_images_part_1.zip": ("3172585", 1_366_522_108, "4639bfa73ab251610530a97c898e6e46"),
    "HAM10000_images_part_2.zip": ("3172584", 1_403_566_547, "da43d6cc50f6613013be07e8986b384b"),
}
FILES = [
    RemoteFile(name, f"{ADDRESS}/{number}", size=size, md5=md5)
    for name, (number, size, md5) in RECORD.items()
]


def fetch_dataverse(
    raw: Path, unfinished: Path, *, files: Sequence[RemoteFile] = FILES, stall_seconds: int = 30
) -> None:
    """Download the files into `unfinished/dataverse` (2.8 GB) and unpack them into `raw`.

    Raises InputError as `download` and `import_archives` do.
    """
    folder = unfinished / "dataverse"
    whole = sum(file.size or 0 for file in files)
    kept = sum(bytes_at_hand(folder, file.name) for file in files)
    require_free_disk({folder: max(whole - kept, 0), raw: whole})  # JPEG does not shrink in a zip
    table, *archives = [download(file, folder, stall_seconds=stall_seconds) for file in files]
    raw.mkdir(parents=True, exist_ok=True)
    write_bytes(raw / METADATA, table.read_bytes(), alone=True)
    import_archives(archives, raw)
