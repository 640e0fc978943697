"""Which data set is this: the originals of HAM10000, the same images recompressed, or another?

originals.npz, shipped with the package and made by `python -m benchmarks.originals_manifest`, holds
digests, looks and labels of the 10,015 originals.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harmonic.data.inspection import Inspected, bits_apart

SHIPPED = Path(__file__).with_name("originals.npz")
DIGEST_BYTES = 16
"""Of each SHA-256 are kept: 2^-128 is the chance that another file has them too."""
SAME_LOOK = 10
"""Of 64 bits. Scaled to 200 x 150 and recompressed, 400 of 400 originals stay within 3 bits of
themselves; of two different lesions, 3 pairs in 10,000 come as close as 10."""


@dataclass(frozen=True)
class Manifest:
    """Row n of every field is the same original; rows are sorted by number."""

    numbers: np.ndarray  # (N,) uint32: 24306 stands for ISIC_0024306
    sha256: np.ndarray  # (N, DIGEST_BYTES) uint8: the beginning of the SHA-256 of the file
    looks: np.ndarray  # (N,) uint64: perceptual hash (see harmonic.data.inspection), first word
    labels: np.ndarray  # (N,) uint32: digest of lesion id and diagnosis (see label_digest)

    def rows_of(self, image_ids: list[str]) -> np.ndarray:
        """The row of each image, int64; -1 where the manifest does not know it."""
        known = pd.Index([f"ISIC_{number:07d}" for number in self.numbers.tolist()])
        return known.get_indexer(pd.Index(image_ids)).astype(np.int64)


def read_manifest() -> Manifest:
    with np.load(SHIPPED, allow_pickle=False) as arrays:
        return Manifest(arrays["numbers"], arrays["sha256"], arrays["looks"], arrays["labels"])


def digest_prefix(sha256: str) -> np.ndarray:
    """The part of a SHA-256 (hex) that the manifest keeps, (DIGEST_BYTES,) uint8."""
    return np.frombuffer(bytes.fromhex(sha256)[:DIGEST_BYTES], dtype=np.uint8)


def label_digest(lesion_id: str, dx: str) -> int:
    """32 bits that change when an image gets another lesion id or diagnosis."""
    return int.from_bytes(hashlib.sha256(f"{lesion_id} {dx}".encode()).digest()[:4], "little")


def compare_with_originals(
    index: pd.DataFrame, inspected: list[Inspected], manifest: Manifest
) -> pd.DataFrame:
    """Each image held against the original of its id; one row per image, in the order of `index`.

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
