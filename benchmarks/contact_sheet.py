"""The picture of the README: some phantoms of each class, as `source: sample` draws them.

dvc repro verify && python -m benchmarks.contact_sheet docs/phantoms.jpg
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.hair_images import encoded
from harmonic.data.classes import CLASSES
from harmonic.data.metadata import read_index
from harmonic.errors import InputError
from harmonic.files import check_outputs, write_bytes
from harmonic.images.decode import read_rgb
from stages.harness.params import load_params

COLUMNS = 8
SIZE = (120, 90)


def contact_sheet(raw: Path, index: Path) -> Image.Image:
    """One row per class in the order of CLASSES, the first COLUMNS images by id."""
    table = read_index(index)

    def photograph(image_id: str) -> np.ndarray:
        return np.asarray(Image.fromarray(read_rgb(raw / f"images/{image_id}.jpg")).resize(SIZE))

    chosen = [table.image_id[table.dx == name].iloc[:COLUMNS] for name in CLASSES]
    return Image.fromarray(np.vstack([np.hstack([*map(photograph, ids)]) for ids in chosen]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", type=Path)
    parser.add_argument("--force", action="store_true", help="replace what is there already")
    options = parser.parse_args()
    if load_params(Path("params.yaml")).source != "sample":
        parser.error("source is not sample: images of patients do not belong in the repository")
    raw, index = Path("data/raw"), Path("data/index.csv")
    if not (raw / "truth").is_dir():  # a run of another source may have left its images
        parser.error("data/raw holds no phantoms; `dvc repro verify` draws them")
    try:
        check_outputs([("target", options.target)], used=[raw, index], force=options.force)
        write_bytes(options.target, encoded(contact_sheet(raw, index), "JPEG", quality=88))
    except InputError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
