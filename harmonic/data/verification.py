"""All that is found out about a folder of photographs and their metadata, before a split."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harmonic.data.inspection import inspect_images, inspection, match_files
from harmonic.data.integrity import build_index, duplicates_across_groups, fingerprint
from harmonic.data.originals import compare_with_originals, identity, read_manifest


@dataclass(frozen=True)
class Verified:
    """What `verify` writes; see stages/verify.py."""

    index: pd.DataFrame
    inspection: pd.DataFrame
    duplicates: pd.DataFrame
    fingerprint: dict[str, Any]


def verified(metadata: pd.DataFrame, images: Path, progress: str) -> Verified:
    """Every image of the metadata, given with its lesion_group, decoded and measured.

    progress: what the bar is called. Raises InputError for an image that is missing or unreadable.
    """
    unnamed = match_files(metadata.image_id, images)
    inspected = inspect_images(metadata.image_id, images, progress)
    index, manifest = build_index(metadata, inspected), read_manifest()
    compared = compare_with_originals(index, inspected, manifest)
    duplicates = duplicates_across_groups(index, inspected)
    found = fingerprint(index, inspected, unnamed) | {
        "identity": identity(compared, manifest),
        "duplicates_across_groups": {
            "identical": int(duplicates.identical.sum()),
            "near_identical": int((~duplicates.identical).sum()),
        },
    }
    table = pd.concat([inspection(index, inspected), compared], axis=1)
    return Verified(index, table, duplicates, found)
