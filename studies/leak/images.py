"""The images of the study as an array, made once for each archive and size."""

import hashlib
from pathlib import Path

import numpy as np

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.data.metadata import read_metadata
from harmonic.data.sources.archive import METADATA, import_archives
from harmonic.files import whole
from harmonic.images.resize import stack_resized


def archive_images(archive: Path, size: int, work: Path) -> tuple[LabelledImages, str]:
    """Every image of a zip or folder at size x size, and 12 hex digits that stand for the data.

    What is unpacked and resized stays in `work` and is taken up again. No hair is removed.
    """
    found = archive.stat()
    told = f"{archive.absolute()} {found.st_size} {found.st_mtime_ns}"
    work = work / f"photographs-{hashlib.sha256(told.encode()).hexdigest()[:12]}"
    raw = work / "raw"
    import_archives([archive], raw)
    table = read_metadata(raw / METADATA)
    resized = work / f"images-{size}.npy"
    if not resized.is_file():
        paths = [raw / "images" / f"{image_id}.jpg" for image_id in table.image_id]
        with whole(resized) as unfinished:
            stack_resized(paths, unfinished, size, "squash")
    images = np.load(resized, mmap_mode="r", allow_pickle=False)
    data = LabelledImages(
        image_ids=table.image_id.to_numpy(dtype=str),
        images=images,
        labels=table.dx.map(CLASSES.index).to_numpy(dtype=np.int64),
        groups=lesion_groups(table.image_id, table.lesion_id, known_pairs()),
        sets=np.full(len(table), "", dtype="<U5"),
    )
    digest = hashlib.sha256(resized.read_bytes())
    digest.update("\n".join([*data.image_ids, *data.groups]).encode())
    return data, digest.hexdigest()[:12]
