"""Which data set is this: the originals of HAM10000, the same images recompressed, or another?"""

from typing import Any

import numpy as np
import pandas as pd

from harmonic.data.integrity import Inspected
from harmonic.data.looks import bits_apart
from harmonic.data.originals.manifest import Manifest, digest_prefix, label_digest

SAME_LOOK = 10
"""Of 64 bits. Scaled to 200 x 150 and recompressed, 400 of 400 originals stay within 3 bits of
themselves; of two different lesions, 3 pairs in 10,000 come as close as 10."""


def compare_with_originals(
    index: pd.DataFrame, inspected: list[Inspected], manifest: Manifest
) -> pd.DataFrame:
    """Each image held against the original of its id; a row an image, in the order of `index`.

    Columns: `known` (the id is one of HAM10000), `original` (the bytes are those of the original),
    `same_look` (the perceptual hash is at most SAME_LOOK bits away), `same_label` (lesion id and
    diagnosis are those of HAM10000), all bool and false where the id is not known.
    """
    rows = manifest.rows_of(index.image_id.tolist())
    known = rows >= 0
    digests = np.array([digest_prefix(found.sha256) for found in inspected])
    looks = np.array([found.look[0] for found in inspected])
    labels = [label_digest(*pair) for pair in zip(index.lesion_id, index.dx, strict=True)]
    return pd.DataFrame(
        {
            "known": known,
            "original": known & (digests == manifest.sha256[rows]).all(axis=1),
            "same_look": known & (bits_apart(looks, manifest.looks[rows]) <= SAME_LOOK),
            "same_label": known & (np.array(labels, dtype=np.uint32) == manifest.labels[rows]),
        }
    )


def identity(compared: pd.DataFrame, manifest: Manifest) -> dict[str, Any]:
    """The verdict on the whole data set, the counts it rests on, and both in a sentence."""
    images, originals = len(compared), len(manifest.numbers)
    known, digests, looks, labels = (
        int(compared[name].sum()) for name in ("known", "original", "same_look", "same_label")
    )
    if digests == images:
        verdict = "original"
    elif int((compared.original | compared.same_look).sum()) == images:
        verdict = "same images recompressed"
    else:
        verdict = "other"
    return {
        "verdict": verdict,
        "how": (
            f"of {images} images, {known} have an id of HAM10000 ({originals} images), {digests} "
            f"the SHA-256 of the original, {looks} look like it (perceptual hash at most "
            f"{SAME_LOOK} of 64 bits away), {labels} have its lesion id and diagnosis"
        ),
        "images_of_ham10000": originals,
        "known_ids": known,
        "sha256_matches": digests,
        "look_matches": looks,
        "label_matches": labels,
    }
