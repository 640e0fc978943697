"""Make harmonic/data/originals.npz: what each of the 10,015 originals is.

    python -m benchmarks.originals_manifest ORIGINALS.csv ARCHIVE

ORIGINALS.csv has the columns image_id and sha256, one row per original. ARCHIVE is a zip file or
folder with HAM10000_metadata.csv and the images, the originals or any copy of them: looks and
labels are taken from it. The same inputs give the same arrays.
"""

import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from harmonic.data.inspection import inspect_images
from harmonic.data.metadata import read_metadata, read_table
from harmonic.data.originals import SHIPPED, Manifest, digest_prefix, label_digest
from harmonic.data.sources.archive import METADATA, import_archives
from harmonic.errors import InputError
from harmonic.files import whole


def make_manifest(originals: pd.DataFrame, metadata: pd.DataFrame, images: Path) -> Manifest:
    """The manifest of the images of `metadata`, all of which must stand in `originals`."""
    sha256 = originals.set_index("image_id").sha256
    if set(sha256.index) != set(metadata.image_id):
        raise InputError("the archive and the table of originals hold different images")
    inspected = inspect_images(metadata.image_id, images)
    pairs = zip(metadata.lesion_id, metadata.dx, strict=True)
    return Manifest(
        numbers=metadata.image_id.str.removeprefix("ISIC_").astype(np.uint32).to_numpy(),
        sha256=np.array([digest_prefix(text) for text in sha256[metadata.image_id]]),
        looks=np.array([found.look[0] for found in inspected], dtype=np.uint64),
        labels=np.array([label_digest(*pair) for pair in pairs], dtype=np.uint32),
    )


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    table, archive = Path(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder)
        try:
            import_archives([archive], raw)
            metadata = read_metadata(raw / METADATA)
            originals = read_table(table, ("image_id", "sha256"))
            manifest = make_manifest(originals, metadata, raw / "images")
        except InputError as error:
            print(error, file=sys.stderr)
            return 1
    with whole(SHIPPED) as unfinished:
        np.savez_compressed(unfinished, allow_pickle=False, **vars(manifest))
    print(f"{SHIPPED}: {len(manifest.numbers)} originals, {SHIPPED.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
