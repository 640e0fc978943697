"""Reading and writing image files: nothing about a file from outside is trusted."""

import io
import warnings
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from harmonic.errors import InputError, one_line
from harmonic.files import write_bytes

MAX_PIXELS = 50_000_000
"""More pixels than this are refused before they are decoded (an original has 270,000)."""

FORMATS = ("JPEG", "PNG", "BMP", "TIFF")
"""The decoders that may be tried; the content of a file decides, not its name."""


def read_rgb(path: Path) -> NDArray[np.uint8]:
    """Decode one RGB image: uint8 (H, W, 3).

    Raises InputError, naming the file, when it is missing, truncated or otherwise unreadable, has
    more than MAX_PIXELS pixels, or is anything but 8-bit RGB (greyscale, palette, alpha, CMYK and
    16-bit images are refused, not converted: the data set has none, so one is a sign of damage).
    """
    try:
        content = path.open("rb")
    except FileNotFoundError:
        raise InputError(f"image {path}: there is no such file") from None
    except OSError as error:
        raise InputError(f"image {path}: cannot be read ({error.strerror})") from None
    with content:
        return decode_rgb(content, str(path))


def decode_rgb(content: BinaryIO, name: str) -> NDArray[np.uint8]:
    """Decode one RGB image from an open file: uint8 (H, W, 3). Raises InputError as `read_rgb`."""
    try:
        with warnings.catch_warnings():
            # The size is checked below, more strictly than Pillow's own warning does.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(content, formats=FORMATS) as image:
                _check_header(name, image)
                return np.array(image)
    except InputError:
        raise
    except UnidentifiedImageError:
        raise InputError(
            f"image {name}: cannot be decoded (it is no {', '.join(FORMATS)} file)"
        ) from None
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise InputError(f"image {name}: cannot be decoded ({one_line(error)})") from None


def _check_header(name: str, image: Image.Image) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InputError(
            f"image {name}: {width} x {height} pixels; at most {MAX_PIXELS:,} are allowed"
        )
    # Pillow quietly narrows 16-bit RGB to 8 bits: its decoder's arguments still tell.
    narrowed = any("RGB;16" in str(tile[3]) for tile in getattr(image, "tile", []))
    if image.mode != "RGB" or narrowed:
        mode = image.mode if image.mode != "RGB" else "16-bit RGB"
        raise InputError(f"image {name}: its mode is {mode}; only 8-bit RGB is allowed")
    if "transparency" in image.info:
        raise InputError(f"image {name}: it has a transparent colour; only plain RGB is allowed")


def write_jpeg(path: Path, image: NDArray[np.uint8]) -> None:
    """Write uint8 (H, W, 3) as JPEG: quality 95, no chroma subsampling, no metadata."""
    write_bytes(path, encode_jpeg(image), alone=True)


def encode_jpeg(image: NDArray[np.uint8]) -> bytes:
    """The bytes of `write_jpeg`."""
    content = io.BytesIO()
    Image.fromarray(image).save(content, format="JPEG", quality=95, subsampling=0)
    return content.getvalue()


def write_mask(path: Path, mask: NDArray[np.bool_]) -> None:
    """Write bool (H, W) as a PNG of one bit per pixel, white where true.

    It is stored uncompressed, so that its bytes do not depend on the zlib in use.
    """
    content = io.BytesIO()
    Image.fromarray(mask).save(content, format="PNG", compress_level=0)
    write_bytes(path, content.getvalue(), alone=True)


def read_mask(path: Path) -> NDArray[np.bool_]:
    """Read what write_mask wrote: bool (H, W). Raises InputError for anything else."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            if image.mode == "1" and image.width * image.height <= MAX_PIXELS:
                return np.array(image)
            mode = image.mode
    except Exception as error:
        raise InputError(f"mask {path}: cannot be decoded ({one_line(error)})") from None
    raise InputError(f"mask {path}: its mode is {mode}; only 1-bit masks are allowed")
