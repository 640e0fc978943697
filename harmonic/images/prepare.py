"""One photograph made ready for a network, exactly as the pipeline makes a data set ready."""

import io

import numpy as np
from numpy.typing import NDArray

from harmonic.images.decode import decode_rgb, encode_jpeg
from harmonic.images.hair import remove_hair
from harmonic.images.resize import resize


def prepared(
    image: NDArray[np.uint8], *, hair_method: str, size: int, aspect: str
) -> NDArray[np.uint8]:
    """uint8 (H, W, 3) to uint8 (size, size, 3): hair removed, then resized.

    Where hair was painted over, the pipeline writes a JPEG and reads it again; so does this, in
    memory. The result is the row of data/images.npy, to the bit.
    Raises InputError for a method, size or aspect that is not allowed.
    """
    cleaned = remove_hair(image, method=hair_method)
    if not np.array_equal(cleaned, image):
        cleaned = decode_rgb(io.BytesIO(encode_jpeg(cleaned)), "without hair")
    return resize(cleaned, size, aspect)
