"""Split: train, validation and test sets, stratified by class, no lesion in two of them.

data/index.csv  ->  data/split.csv   image_id, lesion_id, dx, split; row n is row n of the index
"""

import sys

from harmonic.data.index import read_index
from harmonic.data.split import SETS, share_with_sibling, split_groups
from stages.harness.stage import Stage, run_stage


def work(stage: Stage) -> None:
    index = read_index(stage.reads.index)
    settings = stage.params.split
    shares = {
        "train": 1 - settings.val - settings.test,
        "val": settings.val,
        "test": settings.test,
    }
    lesions = index.lesion_group.to_numpy(dtype=str)
    groups = lesions if settings.by == "lesion" else index.image_id.to_numpy(dtype=str)
    sets = split_groups(groups, index.dx.to_numpy(dtype=str), shares, settings.seed)
    table = index[["image_id", "lesion_id", "dx"]].assign(split=sets)
    table.to_csv(stage.writes.split, index=False, lineterminator="\n")
    counts = ", ".join(f"{(sets == name).sum()} {name}" for name in SETS)
    print(f"split by {settings.by}: {counts}")
    if leak := share_with_sibling(lesions, sets):
        print(
            f"split: warning: {leak:.1%} of the test images have a sibling (same lesion) in "
            "training; the metrics of this split are not those of unseen lesions",
            file=sys.stderr,
        )


def main() -> int:
    return run_stage("split", work, reads=["index"], writes=["split"])


if __name__ == "__main__":
    sys.exit(main())
