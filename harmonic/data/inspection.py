"""Every image of a data set decoded and measured: size, channel moments, digest, look."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import imagehash
import numpy as np
import pandas as pd
from PIL import Image

from harmonic.errors import InputError
from harmonic.images.decode import read_rgb
from harmonic.images.parallel import in_processes


@dataclass(frozen=True)
class Inspected:
    """What one decoded image is."""

    width: int
    height: int
    format: str  # JPEG, PNG, …, whatever the file name says
    mode: str  # as stored; anything but RGB is refused
    sha256: str
    mean: np.ndarray  # (3,) float64: channel means of the values in [0, 1]
    square: np.ndarray  # (3,) float64: channel means of the squared values
    look: np.ndarray  # (4,) uint64: perceptual hash


def match_files(image_ids: pd.Series, folder: Path) -> list[str]:
    """Names of the files in `folder` that no row of the metadata names, sorted.

    Raises InputError where a row names an image that is not there.
    """
    files = {path.name for path in folder.iterdir()}
    named = [f"{image_id}.jpg" for image_id in image_ids]
    if missing := [name for name in named if name not in files]:
        more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise InputError(f"{folder / missing[0]} is named in the metadata but is not there{more}")
    return sorted(files - set(named))


def inspect_image(path: Path) -> Inspected:
    """Decode and measure one image; raises InputError where it is unreadable or not RGB."""
    image = read_rgb(path)
    with Image.open(path) as header:
        stored, mode, (width, height) = header.format, header.mode, header.size
    # Moments from counts of the 256 values: a large image takes no more memory than its pixels.
    counts = np.array(Image.fromarray(image).histogram(), dtype=np.float64).reshape(3, 256)
    shares = counts / (image.size / 3)
    values = np.arange(256) / 255.0
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    mean, square = shares @ values, shares @ np.square(values)
    return Inspected(width, height, str(stored), mode, digest, mean, square, perceptual_hash(image))


def perceptual_hash(image: np.ndarray) -> np.ndarray:
    """What uint8 (H, W, 3) looks like, in 256 bits that survive recompression and scaling.

    uint64 of shape (4,): pHash (Zauner, "Implementation and Benchmarking of Perceptual Image Hash
    Functions", 2010) as the library ImageHash computes it: signs of the 16 x 16 lowest DCT
    frequencies against their median. The first word holds the 8 x 8 lowest, a hash of 64 bits.
    """
    bits = imagehash.phash(Image.fromarray(image), hash_size=16).hash
    quarters = [bits[:8, :8], bits[:8, 8:], bits[8:, :8], bits[8:, 8:]]
    packed = np.packbits([quarter.ravel() for quarter in quarters], axis=1)
    return packed.view(np.dtype(">u8")).ravel().astype(np.uint64)


def bits_apart(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """In how many bits uint64 arrays differ, element by element."""
    return np.bitwise_count(np.bitwise_xor(first, second))


def inspect_images(image_ids: pd.Series, folder: Path) -> list[Inspected]:
    """Decode `folder/<image_id>.jpg` for every id, on all cores, with a progress bar."""
    paths = [(folder.absolute() / f"{image_id}.jpg",) for image_id in image_ids]
    return list(in_processes(inspect_image, paths, name="verify"))


def inspection(index: pd.DataFrame, inspected: list[Inspected]) -> pd.DataFrame:
    """What was found of each image, for a table: size, format, mode, channel statistics, digest."""
    table = pd.DataFrame([vars(found) for found in inspected])
    mean = np.stack(table["mean"].to_list())
    std = np.sqrt(np.stack(table["square"].to_list()) - mean**2)
    statistics = [f"{name}_{channel}" for name in ("mean", "std") for channel in "rgb"]
    table[statistics] = np.hstack([mean, std]).round(6)
    found = table[["width", "height", "format", "mode", *statistics, "sha256"]]
    return pd.concat([index.image_id, found], axis=1)
