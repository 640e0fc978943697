"""Two published ways to find hair, kept for comparison. Lengths follow the width of the image."""

import cv2
import numpy as np

from harmonic.images.hair.morphology import Image, Mask, disc


def luv_closing_mask(image: Image) -> Mask:
    """Pixels whose lightness lies well below its closing by a disc.

    Schmid-Saugeon, Guillod & Thiran (2003), "Towards a computer-aided diagnosis system for
    pigmented skin lesions", as the blog post on harmonic networks uses it. Its threshold, Otsu's,
    splits any image in two and calls a quarter of a hairless one hair; here it has a floor.
    """
    lightness = np.ascontiguousarray(cv2.cvtColor(image, cv2.COLOR_RGB2LUV)[..., 0])
    closed = cv2.morphologyEx(lightness, cv2.MORPH_CLOSE, _disc(image))
    depth = cv2.subtract(closed, lightness)
    otsu, _ = cv2.threshold(depth, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return np.asarray(depth > max(otsu, 20.0))


def fill_by_luv_closing(image: Image, mask: Mask) -> Image:
    """Replace masked pixels by the closing of each Luv channel; all others keep their values.

    The post rescales the whole result to its own minimum and maximum, which shifts every colour.
    """
    luv = cv2.cvtColor(image, cv2.COLOR_RGB2LUV)
    closed = cv2.morphologyEx(luv, cv2.MORPH_CLOSE, _disc(image))
    filled = cv2.cvtColor(closed, cv2.COLOR_LUV2RGB)
    return np.where(mask[..., None], filled, image).astype(np.uint8)


def dullrazor_mask(image: Image) -> Mask:
    """Black top-hat of the grey image with a cross, and one threshold.

    The form in which Lee et al. (1997), "DullRazor", is usually rebuilt with OpenCV: the closing
    in several directions became a cross, the check for long thin structures went missing.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    size = 2 * max(2, round(8 * image.shape[1] / 600)) + 1
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (size, size))
    return np.asarray(cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, cross) > 10)


def _disc(image: Image) -> Image:
    return disc(2 * max(1, round(3 * image.shape[1] / 600)) + 1)
