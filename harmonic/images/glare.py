"""Where the light of the dermatoscope shines back: gel bubbles, wet spots, scales.

Around such spots run lines as thin and long as hair: rims, and what is dark between two glints.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

GLARE = 250
"""Grey level that glare reaches in all three colours; light hair does not."""
AROUND = 17.0
"""How wide a single glint makes the area around it, in pixels of an image 600 wide."""


def around_glare(image: NDArray[np.uint8], scale: float) -> NDArray[np.bool_]:
    """Of an image, uint8 (H, W, 3), what lies in a disc around a glint: bool (H, W).

    A glint is smaller than that disc; larger bright areas are skin in too much light.
    """
    bright = (image.min(axis=2) >= GLARE).view(np.uint8)
    side = max(3, round(AROUND * scale) | 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    glints = cv2.subtract(bright, cv2.morphologyEx(bright, cv2.MORPH_OPEN, disc))
    return np.asarray(cv2.dilate(glints, disc).astype(np.bool_))
