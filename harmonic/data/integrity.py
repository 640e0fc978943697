"""Does the data set hold what its table says? Every image is decoded and measured."""

import hashlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from harmonic.data.classes import CLASSES
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.data.looks import perceptual_hash
from harmonic.errors import InputError
from harmonic.images.decode import read_rgb
from harmonic.images.parallel import in_processes


@dataclass(frozen=True)
class Inspected:
    """What one decoded image is: its file, its size, its channel moments and its look."""

    width: int
    height: int
    format: str
    """JPEG, PNG, …, whatever the file name says"""
    mode: str
    """As stored; anything but RGB is refused"""
    sha256: str
    mean: np.ndarray
    """Channel means of the values in [0, 1], shape (3,), float64."""
    square: np.ndarray
    """Channel means of the squared values, shape (3,), float64."""
    look: np.ndarray
    """Perceptual hash, shape (4,), uint64."""


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
        stored, mode = header.format, header.mode
    height, width = image.shape[:2]
    mean, square = channel_moments(image)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Inspected(width, height, str(stored), mode, digest, mean, square, perceptual_hash(image))


def channel_moments(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Channel means of the values in [0, 1] and of their squares; two arrays (3,), float64.

    From counts of the 256 values, so that a large image takes no more memory than its pixels.
    """
    counts = np.array(Image.fromarray(image).histogram(), dtype=np.float64).reshape(3, 256)
    shares = counts / (image.shape[0] * image.shape[1])
    values = np.arange(256) / 255.0
    return shares @ values, shares @ np.square(values)


def inspect_images(image_ids: pd.Series, folder: Path) -> list[Inspected]:
    """Decode `folder/<image_id>.jpg` for every id, on all cores, with a progress bar."""
    paths = [(folder.absolute() / f"{image_id}.jpg",) for image_id in image_ids]
    return list(in_processes(inspect_image, paths, name="verify"))


def build_index(metadata: pd.DataFrame, inspected: list[Inspected]) -> pd.DataFrame:
    """The index of the data set: a row an image, sorted by image_id, with its lesion group."""
    groups = lesion_groups(metadata.image_id, metadata.lesion_id, known_pairs())
    return pd.DataFrame(
        {
            "image_id": metadata.image_id,
            "lesion_id": metadata.lesion_id,
            "lesion_group": groups,
            "dx": metadata.dx,
            "dx_type": metadata.dx_type,
            "age": metadata.age,
            "sex": metadata.sex,
            "localization": metadata.localization,
            "width": [found.width for found in inspected],
            "height": [found.height for found in inspected],
        }
    )


def inspection(index: pd.DataFrame, inspected: list[Inspected]) -> pd.DataFrame:
    """What was found of each image, for a table: size, format, mode, channel statistics, digest."""
    mean = np.array([found.mean for found in inspected])
    std = np.sqrt(np.array([found.square for found in inspected]) - mean**2)
    columns: dict[str, Any] = {
        "image_id": index.image_id,
        "width": [found.width for found in inspected],
        "height": [found.height for found in inspected],
        "format": [found.format for found in inspected],
        "mode": [found.mode for found in inspected],
    }
    for name, values in (("mean", mean), ("std", std)):
        for channel, letter in enumerate("rgb"):
            columns[f"{name}_{letter}"] = values[:, channel].round(6)
    columns["sha256"] = [found.sha256 for found in inspected]
    return pd.DataFrame(columns)


def fingerprint(
    index: pd.DataFrame, inspected: list[Inspected], unnamed: list[str]
) -> dict[str, Any]:
    """Counts, sizes, channel statistics and one digest over all images: what data this is.

    `unnamed` are the files without a row in the metadata; they are counted and left aside.
    """
    digest = hashlib.sha256()
    for image_id, found in zip(index.image_id, inspected, strict=True):
        digest.update(f"{image_id} {found.sha256}\n".encode())
    mean = np.mean([found.mean for found in inspected], axis=0)
    square = np.mean([found.square for found in inspected], axis=0)
    sizes = Counter(f"{found.width}x{found.height}" for found in inspected)
    return {
        "images": len(index),
        "lesions": int(index.lesion_id.nunique()),
        "lesion_groups": int(index.lesion_group.nunique()),
        "images_without_a_row": len(unnamed),
        "images_by_class": {name: int((index.dx == name).sum()) for name in CLASSES},
        "lesion_groups_by_class": {
            name: int(index.lesion_group[index.dx == name].nunique()) for name in CLASSES
        },
        "sizes": dict(sizes),
        "formats": dict(Counter(found.format for found in inspected)),
        "modes": dict(Counter(found.mode for found in inspected)),
        "age_missing": int(index.age.isna().sum()),
        "sex_unknown": int((~index.sex.isin(["male", "female"])).sum()),
        "channel_mean": [round(float(value), 6) for value in mean],
        "channel_std": [round(float(value), 6) for value in np.sqrt(square - mean**2)],
        "sha256_of_all_images": digest.hexdigest(),
    }
