"""From the words of a command line to images: files, folders, standard input."""

import io
import os
import re
import stat
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harmonic.errors import InputError
from harmonic.images.decode import decode_rgb, read_rgb
from harmonic.images.resize import SMALLEST

STANDARD_INPUT = "-"
SUFFIXES = (".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".tif", ".tiff")
"""What counts as an image in a folder; a file named itself may be called anything."""
NOT_READ = (
    *(".heic", ".heif", ".avif", ".webp", ".gif", ".jp2", ".j2k", ".jxl", ".jfif", ".psd"),
    *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".dcm"),
)
"""Images too, which in a folder are not passed over without a word."""
LARGEST_IMAGE_FILE = 2**28
EXPLANATION = "harmonic-explanation"
"""The key of a text in the PNG files of `--explain`."""


@dataclass(frozen=True)
class Source:
    """An image to read, or why there is none."""

    name: str
    """As it was typed; for an image of a folder, the folder's name before its own."""
    problem: str = ""

    def read(self) -> NDArray[np.uint8]:
        """uint8 (H, W, 3). Raises InputError with one line where it is no whole RGB image.

        A screenshot's alpha channel is passed over where nothing is transparent.
        """
        if self.problem:
            raise InputError(self.problem)
        if self.name == STANDARD_INPUT:
            content = io.BytesIO(standard_input())
            image = decode_rgb(content, "from standard input", opaque=True)
        else:
            check_file(Path(self.name))
            image = read_rgb(Path(self.name), opaque=True)
        height, width = image.shape[:2]
        # What is smaller than any network's input shows no lesion.
        if min(height, width) < SMALLEST:
            raise InputError(
                f"image {self.name}: has {width} x {height} pixels; "
                f"at least {SMALLEST} a side are needed"
            )
        return image


def find_images(words: Sequence[str]) -> list[Source]:
    """The images that these words name, in their order; those of a folder sorted by name.

    Folders are searched to the bottom; links to folders in them are not followed, so that a circle
    of links ends. What is not there, or empty, is a Source with a problem.
    """
    found: list[Source] = []
    for number, word in enumerate(words):
        if word == STANDARD_INPUT:
            again = word in words[:number]
            found.append(Source(word, "standard input was read already" if again else ""))
        elif not word:
            found.append(Source(word, "an empty word names no image"))
        elif Path(word).is_dir():
            found += images_in(word)
        elif re.match(r"[a-z][a-z0-9+.-]+://", word, re.IGNORECASE):
            problem = "is an address, no file: download the image, and name the file"
            found.append(Source(word, f"image {word}: {problem}"))
        else:
            found.append(Source(word))
    return found


def images_in(folder: str) -> list[Source]:
    """The images in a folder; last, a Source that says how many others of which kind are there."""
    places = [(Path(place), folders, names) for place, folders, names in os.walk(folder)]
    inside = sorted(
        str(place / name)
        for place, _, names in places
        for name in names
        # A hidden file is another program's: a Mac's ._a.jpg, or what a kill left.
        if not name.startswith(".")
    )
    # A link into the folder hides no photograph; another may.
    top = Path(folder).resolve()
    links = sum(
        (place / name).is_symlink() and not (place / name).resolve().is_relative_to(top)
        for place, folders, _ in places
        for name in folders
    )
    found = [
        Source(name)
        for name in inside
        if name.lower().rstrip().endswith(SUFFIXES) and not is_explanation(name)
    ]
    others = Counter(Path(name).suffix.lower() for name in inside)
    kinds = [f"{others[suffix]} {suffix}" for suffix in NOT_READ if suffix in others]
    kinds += [f"{links} linked folders"] * bool(links)
    if kinds or not found:
        what = f"{', '.join(kinds)} not read" if kinds else "holds no image"
        found.append(
            Source(folder, f"folder {folder}: {what} (what is read: {', '.join(SUFFIXES)})")
        )
    return found


def is_explanation(name: str) -> bool:
    """Whether a file is a picture that `--explain` wrote, which shows a photograph but is none."""
    if not re.search(r"-explained(-\d+)?\.png$", name):
        return False
    try:
        check_file(Path(name))
        with Image.open(name, formats=["PNG"]) as image:
            return image.info.get(EXPLANATION) == "1"
    except Exception:  # Pillow raises nearly anything on damaged files, and reading says what it is
        return False


def check_file(path: Path) -> None:
    """Raises InputError for what must not even be opened: a pipe blocks, a device never ends."""
    try:
        found = path.stat()
    except FileNotFoundError:
        raise InputError(f"image {path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise InputError(f"image {path}: cannot be read ({error})") from None
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"image {path}: no regular file")
    if found.st_size > LARGEST_IMAGE_FILE:
        raise InputError(f"image {path}: {found.st_size} bytes; {LARGEST_IMAGE_FILE} are allowed")


def standard_input() -> bytes:
    """One image's bytes. Raises InputError where there are none or too many."""
    if sys.stdin is None:
        raise InputError("standard input is closed; the bytes of one image are expected there")
    content = sys.stdin.buffer.read(LARGEST_IMAGE_FILE + 1)
    if not content:
        raise InputError("standard input is empty; the bytes of one image are expected there")
    if len(content) > LARGEST_IMAGE_FILE:
        raise InputError(f"standard input: more than {LARGEST_IMAGE_FILE} bytes")
    return content
