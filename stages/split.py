"""Split: train, validation and test sets, stratified by class, no lesion in two of them.

data/index.csv  ->  data/split.csv   image_id, lesion_id, dx, split; row n is row n of the index
"""

import sys
from functools import partial

import numpy as np

from harmonic.data.metadata import read_index
from harmonic.data.split import (
    SETS,
    require_lesions,
    share_with_sibling,
    split_by_hash,
    split_fold,
    split_groups,
)
from stages.harness.stage import Stage, run_stage


def work(stage: Stage) -> None:
    index = read_index(stage.reads.index)
    settings = stage.params.split
    lesions = index.lesion_group.to_numpy(dtype=str)
    sets = assign_sets(stage, index.image_id.to_numpy(dtype=str), lesions, index.dx.to_numpy(str))
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


def assign_sets(
    stage: Stage, image_ids: np.ndarray, lesions: np.ndarray, dx: np.ndarray
) -> np.ndarray:
    """The set of each image; `verify` asks too. Raises InputError where a class has too few."""
    settings = stage.params.split
    groups = lesions if settings.by == "lesion" else image_ids
    shares = {"train": 1 - settings.val - settings.test, "val": settings.val}
    if settings.test or settings.folds:
        shares["test"] = settings.test
    require_lesions(groups, dx, shares)
    assign = split_by_hash if settings.stable else split_groups
    if settings.folds is not None:
        drawn = {"folds": settings.folds, "fold": settings.fold, "seed": settings.seed}
        return split_fold(assign, groups, dx, val=settings.val, **drawn)
    return assign(groups, dx, shares, settings.seed)


main = partial(run_stage, "split", work, reads=["index"], writes=["split"])

if __name__ == "__main__":
    sys.exit(main())
