"""What the 10,015 originals of HAM10000 are: digests, looks and labels, shipped with the package.

manifest.npz is made by `python -m benchmarks.originals_manifest`. It tells a copy of the data set
from another one file by file, without holding a pixel of it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SHIPPED = Path(__file__).with_name("manifest.npz")
DIGEST_BYTES = 16
"""Of each SHA-256 are kept: 2^-128 is the chance that another file has them too."""


@dataclass(frozen=True)
class Manifest:
    """Row n of every field is the same original; rows are sorted by number."""

    numbers: np.ndarray
    """(N,) uint32: 24306 stands for ISIC_0024306"""
    sha256: np.ndarray
    """(N, DIGEST_BYTES) uint8: the beginning of the SHA-256 of the file"""
    looks: np.ndarray
    """(N,) uint64: perceptual hash (see harmonic.data.looks)"""
    labels: np.ndarray
    """(N,) uint32: digest of lesion id and diagnosis (see label_digest)"""

    def rows_of(self, image_ids: list[str]) -> np.ndarray:
        """The row of each image, int64; -1 where the manifest does not know it."""
        row_of = {f"ISIC_{number:07d}": row for row, number in enumerate(self.numbers.tolist())}
        return np.array([row_of.get(image_id, -1) for image_id in image_ids], dtype=np.int64)


def read_manifest(path: Path = SHIPPED) -> Manifest:
    with np.load(path, allow_pickle=False) as arrays:
        return Manifest(arrays["numbers"], arrays["sha256"], arrays["looks"], arrays["labels"])


def digest_prefix(sha256: str) -> np.ndarray:
    """The part of a SHA-256 (hex) that the manifest keeps, (DIGEST_BYTES,) uint8."""
    return np.frombuffer(bytes.fromhex(sha256)[:DIGEST_BYTES], dtype=np.uint8)


def label_digest(lesion_id: str, dx: str) -> int:
    """32 bits that change when an image gets another lesion id or diagnosis."""
    return int.from_bytes(hashlib.sha256(f"{lesion_id} {dx}".encode()).digest()[:4], "little")
