"""Verify: every image decoded, every row checked, before anything is built on them.

data/raw/  ->  data/index.csv          a row an image, sorted by id, with its lesion group and size
               data/fingerprint.json   counts, sizes, channel statistics, one digest over all images
"""

import sys

from harmonic.data.integrity import build_index, fingerprint, inspect_images
from harmonic.data.metadata import read_metadata
from stages.harness.partial import write_json
from stages.harness.stage import Stage, run_stage


def work(stage: Stage) -> None:
    images = stage.reads.raw / "images"
    metadata = read_metadata(stage.reads.raw / "HAM10000_metadata.csv")
    inspected = inspect_images(metadata.image_id, images)
    index = build_index(metadata, inspected)
    unnamed = sum(path.stem not in set(index.image_id) for path in images.iterdir())
    index.to_csv(stage.writes.index, index=False, lineterminator="\n")
    found = fingerprint(index, inspected, unnamed)
    write_json(stage.writes.fingerprint, found)
    print(
        f"verify: {found['images']} images of {found['lesions']} lesions "
        f"({found['lesion_groups']} groups); {unnamed} files without a row"
    )


def main() -> int:
    return run_stage("verify", work, reads=["raw"], writes=["index", "fingerprint"])


if __name__ == "__main__":
    sys.exit(main())
