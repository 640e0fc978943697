"""`source: isic`: the training set of the ISIC 2018 challenge, task 3: HAM10000 once more.

A zip file of the images, one with the ground truth (one column per class), and a table that says
which images show one lesion. Age, sex and localization are not published here and stay missing, nor
are digests: the MD5 that S3 shows of files uploaded in one piece is checked.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.data.metadata import COLUMNS, read_table
from harmonic.data.sources.archive import (
    METADATA,
    copy,
    import_archives,
    opened,
    refuse_large,
    require_free_disk,
)
from harmonic.data.sources.transfer import RemoteFile, bytes_at_hand, download
from harmonic.errors import InputError
from harmonic.files import write_bytes

ADDRESS = "https://isic-challenge-data.s3.amazonaws.com/2018"
IMAGES = "ISIC2018_Task3_Training_Input.zip"
TRUTH = "ISIC2018_Task3_Training_GroundTruth"
LESIONS = "ISIC2018_Task3_Training_LesionGroupings.csv"
IMAGE_BYTES = 2_770_000_000
"""Of the zip file of images; about, as its size is not published (Dataverse's two make 2.77 GB)."""

DX_TYPES = {
    "histopathology": "histo",
    "serial imaging showing no change": "follow_up",
    "single image expert consensus": "consensus",
    "confocal microscopy with consensus dermoscopy": "confocal",
}


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
    # The tables come first: small, and a fault in them shows before gigabytes are on the way.
    names = (LESIONS, f"{TRUTH}.zip", IMAGES)
    files = [RemoteFile(name, f"{address}/{name}", md5_in_etag=True) for name in names]
    lesions, truth, images = [download(file, folder, stall_seconds=stall_seconds) for file in files]
    with dropped_if_refused(lesions, truth, unpacked := truth.with_suffix(".csv")):
        unpack_truth(truth, unpacked)
        metadata = join_tables(unpacked, lesions)
    with dropped_if_refused(images):
        import_archives([images], raw, table=False)
    text = metadata.to_csv(index=False, lineterminator="\n")
    write_bytes(raw / METADATA, text.encode(), alone=True)


@contextmanager
def dropped_if_refused(*files: Path) -> Iterator[None]:
    """Remove downloaded files that turn out to be unusable, so that the next run fetches them."""
    try:
        yield
    except InputError:
        for file in files:
            file.unlink(missing_ok=True)
        raise


def unpack_truth(archive: Path, place: Path) -> None:
    """Copy the table of the ground truth out of its zip file."""
    with opened(archive) as members:
        for member in members:
            if member.name.split("/")[-1] == place.name:
                refuse_large(member)
                copy(member, place)
                return
    raise InputError(f"archive {archive}: has no {place.name}")


def join_tables(truth_path: Path, lesions_path: Path) -> pd.DataFrame:
    """Kaggle's table from the two of ISIC: one row per image, sorted by image_id."""
    classes = [name.upper() for name in CLASSES]
    truth = read_table(truth_path, ("image", *classes))
    wanted = ["image", "lesion_id", "diagnosis_confirm_type"]
    lesions = read_table(lesions_path, wanted)[wanted]
    for path, table in ((truth_path, truth), (lesions_path, lesions)):
        if (twice := table.image[table.image.duplicated()]).any():
            raise InputError(f"{path}: {twice.iloc[0]} has two rows")
    chosen = truth[classes].isin(["1", "1.0"])
    if (wrong := chosen.sum(axis=1) != 1).any():
        raise InputError(
            f"{truth_path}: {truth.image[wrong].iloc[0]} has not exactly one class of 1.0"
        )
    if alone := sorted(set(truth.image) ^ set(lesions.image)):
        raise InputError(
            f"{truth_path} and {lesions_path.name}: {alone[0]} is in one of them only"
            + (f" (and {len(alone) - 1} more)" if len(alone) > 1 else "")
        )
    table = truth[["image"]].assign(dx=chosen.idxmax(axis=1).str.lower()).merge(lesions, on="image")
    how = table.diagnosis_confirm_type
    table = table.rename(columns={"image": "image_id"}).assign(
        dx_type=how.map(DX_TYPES).fillna(how), age="", sex="unknown", localization="unknown"
    )
    return table[list(COLUMNS)].sort_values("image_id", ignore_index=True)
