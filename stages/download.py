"""Download: images and their table from where `source` says, in one layout whatever the source.

archive (read when source=archive)  ->  data/raw/HAM10000_metadata.csv, data/raw/images/ISIC_*.jpg
                                        data/raw/truth/ (source=sample: hair masks, hairless images)
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from harmonic.data.sources.archive import fetch_archive
from harmonic.data.sources.dataverse import fetch_dataverse
from harmonic.data.sources.isic import fetch_isic
from harmonic.data.sources.kaggle import fetch_kaggle
from harmonic.sample.archive import fetch_sample
from stages.harness.stage import Stage, run_stage

NO_ARCHIVE = "data/no-archive"
"""The value of `archive` where none is meant: DVC refuses a dependency that is not there."""


def sources(stage: Stage) -> dict[str, Callable[[Path, Path], None]]:
    """What fetches each source: a function of data/raw and of the folder of unfinished work."""
    settings = stage.params.download
    return {
        "sample": partial(fetch_sample, images=settings.images, seed=settings.seed),
        "archive": partial(fetch_archive, archive=Path(stage.params.archive)),
        "kaggle": fetch_kaggle,
        "dataverse": fetch_dataverse,
        "isic": fetch_isic,
    }


def work(stage: Stage) -> None:
    source, archive = stage.params.source, stage.params.archive
    if source != "archive" and archive != NO_ARCHIVE:
        why = f"source is {source}, not archive"
        print(f"download: warning: {archive!r} is not read, as {why}", file=sys.stderr)
    raw = stage.writes.raw
    sources(stage)[source](raw, stage.partial)
    print(f"download: {len(list((raw / 'images').iterdir()))} images from {source}")


main = partial(run_stage, "download", work, writes=["raw"])

if __name__ == "__main__":
    sys.exit(main())
