"""The images that hair removal is measured on: bare phantoms, or those of a folder or zip."""

import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harmonic.sample.lesion import RECIPES
from harmonic.sample.phantom import draw_phantom

Pixels = NDArray[np.uint8]


def phantoms(count: int, seed: int) -> Iterator[tuple[str, Pixels]]:
    classes = sorted(RECIPES)
    for n in range(count):
        lesion, photograph = (
            np.random.default_rng([seed, 1, n]),
            np.random.default_rng([seed, 2, n]),
        )
        phantom = draw_phantom(classes[n % len(classes)], lesion, photograph)
        yield f"phantom {n}", phantom.image if phantom.hairless is None else phantom.hairless


def stored(images: Path, count: int | None, ids: set[str] | None) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the .jpg files of a folder or zip, by name; evenly many if limited."""
    if images.is_dir():
        files = {path.stem: path for path in images.rglob("*.jpg")}
        chosen = _evenly(sorted(files.keys() & (ids or files.keys())), count)
        yield from ((name, files[name].read_bytes()) for name in chosen)
        return
    with zipfile.ZipFile(images) as archive:
        members = {Path(name).stem: name for name in archive.namelist() if name.endswith(".jpg")}
        chosen = _evenly(sorted(members.keys() & (ids or members.keys())), count)
        yield from ((name, archive.read(members[name])) for name in chosen)


def _evenly(names: list[str], count: int | None) -> list[str]:
    if count is None or count >= len(names):
        return names
    return [names[n * len(names) // count] for n in range(count)]


def decoded(content: bytes) -> Pixels:
    return np.array(Image.open(BytesIO(content)).convert("RGB"))


def small(image: Pixels) -> Pixels:
    return np.asarray(cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def grey(image: Pixels) -> Pixels:
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
