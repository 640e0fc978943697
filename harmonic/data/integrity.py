"""Does the data set hold what its table says? The index, what data this is, and likely leaks."""

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.data.inspection import Inspected, bits_apart

NEAR = 24
"""Of 256 bits. Scaled and recompressed, 400 of 400 originals stay within 16 bits of themselves; of
the 50 million pairs of different lesion groups of HAM10000, none comes as close as 30."""


def build_index(metadata: pd.DataFrame, inspected: list[Inspected]) -> pd.DataFrame:
    """The index of the data set: the metadata, with a lesion_group, and the images' sizes."""
    columns = ["image_id", "lesion_id", "lesion_group", "dx", "dx_type", "age", "sex"]
    table = metadata.assign(
        width=[found.width for found in inspected],
        height=[found.height for found in inspected],
    )
    return table[[*columns, "localization", "width", "height"]]


def fingerprint(
    index: pd.DataFrame, inspected: list[Inspected], unnamed: list[str]
) -> dict[str, Any]:
    """Counts, sizes, channel statistics and one digest over all images: what data this is.

    `unnamed` are the files without a row in the metadata; they are counted and left aside.
    """
    mean = np.mean([found.mean for found in inspected], axis=0)
    square = np.mean([found.square for found in inspected], axis=0)
    return counts(index) | {
        "images_without_a_row": len(unnamed),
        "sizes": dict(Counter(f"{found.width}x{found.height}" for found in inspected)),
        "formats": dict(Counter(found.format for found in inspected)),
        "modes": dict(Counter(found.mode for found in inspected)),
        "channel_mean": [round(float(value), 6) for value in mean],
        "channel_std": [round(float(value), 6) for value in np.sqrt(square - mean**2)],
        "sha256_of_all_images": digest_of_all(index.image_id, [one.sha256 for one in inspected]),
    }


def counts(index: pd.DataFrame) -> dict[str, Any]:
    """What the metadata, with a lesion_group, say of the data set in numbers."""
    return {
        "images": len(index),
        "lesions": int(index.lesion_id.nunique()),
        "lesion_groups": int(index.lesion_group.nunique()),
        "images_by_class": {name: int((index.dx == name).sum()) for name in CLASSES},
        "lesion_groups_by_class": {
            name: int(index.lesion_group[index.dx == name].nunique()) for name in CLASSES
        },
        "age_missing": int(index.age.isna().sum()),
        "sex_unknown": int((~index.sex.isin(["male", "female"])).sum()),
    }


def digest_of_all(image_ids: Iterable[str], digests: Iterable[str]) -> str:
    """One SHA-256 over the ids of images and the SHA-256 of their files."""
    digest = hashlib.sha256()
    for image_id, found in zip(image_ids, digests, strict=True):
        digest.update(f"{image_id} {found}\n".encode())
    return digest.hexdigest()


def duplicates_across_groups(index: pd.DataFrame, inspected: list[Inspected]) -> pd.DataFrame:
    """Images that equal, or nearly equal, an earlier image of another lesion group.

    One row per image that has such an earlier one, with the nearest of them (the first of several).
    Columns: image_id, lesion_group, dx and the same with `_earlier`, `bits` (how far their
    perceptual hashes are apart, of 256) and `identical` (the files are the same, byte for byte).
    """
    looks = np.array([found.look for found in inspected])
    digests = np.array([found.sha256 for found in inspected])
    groups = index.lesion_group.to_numpy(dtype=str)
    rows = []
    for row in range(1, len(index)):
        # The first of four words decides for nearly every pair, at a quarter of the cost.
        close = np.flatnonzero(bits_apart(looks[:row, 0], looks[row, 0]) <= NEAR)
        close = close[groups[close] != groups[row]]
        bits = bits_apart(looks[close], looks[row]).sum(axis=1, dtype=np.int64)
        identical = digests[close] == digests[row]
        found = (bits <= NEAR) | identical
        if found.any():
            nearest = np.lexsort((close, bits, ~identical))[0]
            rows.append((row, close[nearest], bits[nearest], identical[nearest]))
    pairs = pd.DataFrame(rows, columns=["here", "earlier", "bits", "identical"])
    shown = index[["image_id", "lesion_group", "dx"]]
    here = shown.iloc[pairs.here.astype(int)].reset_index(drop=True)
    earlier = shown.iloc[pairs.earlier.astype(int)].reset_index(drop=True).add_suffix("_earlier")
    return pd.concat([here, earlier, pairs[["bits", "identical"]]], axis=1)
