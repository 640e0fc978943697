"""Resize: every image to one size, all in one array instead of ten thousand small files.

data/hairless/, data/index.csv  ->  data/images.npy   uint8 (N, size, size, 3); row n is row n of
                                                      the index
"""

import sys
from functools import partial

from harmonic.data.metadata import read_index
from harmonic.images.resize import stack_resized
from stages.harness.stage import Stage, run_stage


def work(stage: Stage) -> None:
    image_ids = read_index(stage.reads.index).image_id
    paths = [stage.reads.hairless / f"{image_id}.jpg" for image_id in image_ids]
    size, aspect = stage.params.image_size, stage.params.resize.aspect
    stack_resized(paths, stage.writes.images, size, aspect)
    print(f"resize: {len(paths)} images to {size} x {size} ({aspect})")


main = partial(run_stage, "resize", work, reads=["hairless", "index"], writes=["images"])

if __name__ == "__main__":
    sys.exit(main())
