"""What an image looks like, in 256 bits that survive recompression and scaling.

pHash (Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions", 2010) as the
library ImageHash computes it: signs of the 16 x 16 lowest DCT frequencies against their median.
"""

import imagehash
import numpy as np
from PIL import Image

WORDS = 4
"""64-bit words of a hash."""


def perceptual_hash(image: np.ndarray) -> np.ndarray:
    """The hash of uint8 (H, W, 3), shape (4,), dtype uint64.

    The first word holds the 8 x 8 lowest frequencies: a hash of 64 bits for itself.
    """
    bits = imagehash.phash(Image.fromarray(image), hash_size=16).hash
    quarters = [bits[:8, :8], bits[:8, 8:], bits[8:, :8], bits[8:, 8:]]
    packed = np.packbits([quarter.ravel() for quarter in quarters], axis=1)
    return packed.view(np.dtype(">u8")).ravel().astype(np.uint64)


def bits_apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """In how many bits uint64 arrays differ, element by element."""
    return np.bitwise_count(np.bitwise_xor(first, second))
