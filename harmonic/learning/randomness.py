"""Random numbers that depend on the seed and the place they are used for, and on nothing else.

Every epoch draws from a generator of its own, so training that goes on from a checkpoint draws what
uninterrupted training would have drawn, and no generator state has to be saved.
"""

import numpy as np
import torch


def derived_seed(*path: int) -> int:
    """A 63-bit seed from a path of whole numbers, such as (seed, epoch)."""
    words = np.random.SeedSequence(path).generate_state(2, np.uint32)
    return (int(words[0]) << 31) | (int(words[1]) >> 1)


def generator(*path: int) -> torch.Generator:
    """A CPU generator seeded from a path of whole numbers.

    Random numbers are drawn on the CPU for every device: they are few, and so they are the same.
    """
    return torch.Generator().manual_seed(derived_seed(*path))
