"""Remove hair: hair is found and painted over; an image without hair is passed on as it is.

data/raw/, data/index.csv  ->  data/hairless/ISIC_*.jpg
"""

import sys
from functools import partial

from harmonic.data.metadata import read_index
from harmonic.images.hair.folder import remove_hair_from_files
from stages.harness.stage import Stage, run_stage


def work(stage: Stage) -> None:
    image_ids = read_index(stage.reads.index).image_id
    method = stage.params.remove_hair.method
    changed = remove_hair_from_files(
        image_ids,
        stage.reads.raw / "images",
        stage.writes.hairless,
        method,
        cluster=stage.params.remove_hair.cluster,
    )
    print(f"remove_hair: {method} changed {changed} of {len(image_ids)} images")


main = partial(run_stage, "remove_hair", work, reads=["raw", "index"], writes=["hairless"])

if __name__ == "__main__":
    sys.exit(main())
