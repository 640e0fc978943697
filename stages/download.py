"""Download: images and their table from where `source` says, in one layout whatever the source.

archive (read when source=archive)  ->  data/raw/HAM10000_metadata.csv, data/raw/images/ISIC_*.jpg
                                        data/raw/truth/ (source=sample: hair masks, hairless images)
"""

import shutil
import sys

from harmonic.data.sources.archive import import_archive
from stages.harness.stage import Stage, run_stage


def work(stage: Stage) -> None:
    raw = stage.writes.raw
    if stage.params.source == "archive":
        import_archive(stage.reads.archive, raw)
    elif stage.params.source == "kaggle":
        from harmonic.data.sources.kaggle import fetch_kaggle

        fetch_kaggle(raw)
    else:
        from harmonic.data.sources.sample import write_sample

        drawn = stage.partial / "sample"
        settings = stage.params.download
        write_sample(drawn, images=settings.images, seed=settings.seed, progress=True)
        import_archive(drawn, raw)
        shutil.copytree(drawn / "truth", raw / "truth", dirs_exist_ok=True)
    print(f"download: {len(list((raw / 'images').iterdir()))} images from {stage.params.source}")


def main() -> int:
    return run_stage("download", work, reads=["archive"], writes=["raw"])


if __name__ == "__main__":
    sys.exit(main())
