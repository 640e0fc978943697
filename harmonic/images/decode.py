"""Reading and writing image files: nothing about a file from outside is trusted."""

import io
import math
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from threading import Lock
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from harmonic.errors import InputError, one_line
from harmonic.files import write_bytes

MAX_PIXELS = 65_000_000
"""More pixels than this are refused before they are decoded (an original has 270,000)."""
KEPT_PIXELS = 4_000_000
"""What has more is reduced as soon as it is decoded; networks see 224 pixels a side at most."""
ONE_AT_A_TIME = Lock()
"""Held while such an image is decoded, so that threads do not hold several whole ones."""
TIFF_AT_A_TIME = Lock()

FORMATS = ("JPEG", "PNG", "BMP", "TIFF")
"""The decoders that may be tried; the content of a file decides, not its name."""
OTHER_KINDS = {
    "GIF": (0, b"GIF8"),
    "WebP": (8, b"WEBP"),
    "HEIC or AVIF": (4, b"ftyp"),
    "JPEG 2000": (4, b"jP  "),
    "JPEG XL": (4, b"JXL "),
    "Photoshop": (0, b"8BPS"),
    "DICOM": (128, b"DICM"),
}
"""By which bytes at which place other images are known, to be called by their names."""

# Damaged files make Pillow warn of what is refused below anyway; as threads decode, and share their
# filters, no filter could be set for the time of a call.
warnings.filterwarnings("ignore", module=r"PIL\b")


def read_rgb(path: Path, *, opaque: bool = False) -> NDArray[np.uint8]:
    """Decode one RGB image: uint8 (H, W, 3).

    An image of more than KEPT_PIXELS pixels comes back reduced: means of squares of pixels. It is
    not turned as a viewer would by an EXIF orientation (but Pillow turns a TIFF).

    opaque: whether to take an image with an alpha channel, too, where no pixel is transparent.

    Raises InputError, naming the file, when it is missing, truncated or otherwise unreadable, has
    more than MAX_PIXELS pixels, is anything but 8-bit RGB (greyscale, palette, alpha, CMYK and
    16-bit images are refused, not converted: the data set has none, so one is a sign of damage), or
    holds several images (TIFF pages, an animated PNG); of a phone's JPEG with a preview beside the
    photograph, the photograph is read.
    """
    try:
        content = path.open("rb")
    except FileNotFoundError:
        raise InputError(f"image {path}: there is no such file") from None
    except OSError as error:
        raise InputError(f"image {path}: cannot be read ({error.strerror})") from None
    with content:
        return decode_rgb(content, str(path), opaque=opaque)


def decode_rgb(content: BinaryIO, name: str, *, opaque: bool = False) -> NDArray[np.uint8]:
    """Decode one RGB image from an open file: uint8 (H, W, 3). Raises InputError as `read_rgb`."""
    try:
        with Image.open(content, formats=FORMATS) as image:
            _check_header(name, image, opaque)
            factor = math.ceil(math.sqrt(image.width * image.height / KEPT_PIXELS))
            with ONE_AT_A_TIME if factor > 1 else nullcontext(), silent(image.format == "TIFF"):
                if image.mode == "RGBA" and image.getchannel("A").getextrema() != (255, 255):
                    raise InputError(f"image {name}: is transparent in places; {ALLOWED}")
                small = image.reduce(factor) if factor > 1 else image
                return np.array(small.convert("RGB"))
    except InputError:
        raise
    except UnidentifiedImageError:
        content.seek(0)
        kind = _other_kind(content.read(200))
        found = f"it is {kind}, save it as a" if kind else "it is no"
        raise InputError(
            f"image {name}: cannot be decoded ({found} {', '.join(FORMATS)} file)"
        ) from None
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise InputError(f"image {name}: cannot be decoded ({one_line(error)})") from None


@contextmanager
def silent(needed: bool) -> Iterator[None]:
    """Where needed, nothing reaches standard error: libtiff writes there what it finds damaged."""
    if not needed:
        yield
        return
    with TIFF_AT_A_TIME:
        kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            os.close(nowhere)


ALLOWED = "only 8-bit RGB is allowed; save it so in an image program, as JPEG or PNG"


def _other_kind(head: bytes) -> str | None:
    found = (kind for kind, (place, sign) in OTHER_KINDS.items() if head[place:].startswith(sign))
    return next(found, None)


def _check_header(name: str, image: Image.Image, opaque: bool) -> None:
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise InputError(
            f"image {name}: {width} x {height} pixels; at most {MAX_PIXELS:,} are allowed"
        )
    # Pillow quietly narrows 16-bit RGB to 8 bits: its decoder's arguments still tell.
    narrowed = any(re.match("RGB.?;16", str(tile[3])) for tile in getattr(image, "tile", []))
    if image.mode not in (("RGB", "RGBA") if opaque else ("RGB",)) or narrowed:
        mode = "16-bit RGB" if narrowed else image.mode
        raise InputError(f"image {name}: its mode is {mode}; {ALLOWED}")
    if "transparency" in image.info:
        raise InputError(f"image {name}: it has a transparent colour; {ALLOWED}")
    if image.format in ("PNG", "TIFF") and getattr(image, "is_animated", False):
        raise InputError(f"image {name}: holds several images; save one of them as a file")


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
