"""The images that hair removal is measured on, phantoms or those of a folder or zip, and scores."""

import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.metrics import structural_similarity
from sklearn.metrics import precision_recall_fscore_support

from harmonic.sample.lesion import RECIPES
from harmonic.sample.phantom import draw_phantom

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]


def phantoms(count: int, seed: int) -> Iterator[tuple[str, Pixels]]:
    classes = sorted(RECIPES)
    for n in range(count):
        lesion, photograph = (np.random.default_rng([seed, which, n]) for which in (1, 2))
        phantom = draw_phantom(classes[n % len(classes)], lesion, photograph)
        yield f"phantom {n}", phantom.image if phantom.hairless is None else phantom.hairless


def stored(images: Path, count: int | None, ids: set[str] | None) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the .jpg files of a folder or zip, by name; evenly many if limited."""
    with ExitStack() as stack:
        files: dict[str, Callable[[], bytes]]
        if images.is_dir():
            files = {path.stem: path.read_bytes for path in images.rglob("*.jpg")}
        else:
            archive = stack.enter_context(zipfile.ZipFile(images))
            members = [name for name in archive.namelist() if name.endswith(".jpg")]
            files = {Path(name).stem: partial(archive.read, name) for name in members}
        names = sorted(files.keys() & (ids or files.keys()))
        if count is not None and count < len(names):
            names = [names[n * len(names) // count] for n in range(count)]
        yield from ((name, files[name]()) for name in names)


def decoded(content: bytes) -> Pixels:
    return np.array(Image.open(BytesIO(content)).convert("RGB"))


def encoded(image: Image.Image, kind: str, **options: int) -> bytes:
    """Into a file, Pillow overlooks that a JPEG was cut short."""
    buffer = BytesIO()
    image.save(buffer, format=kind, **options)
    return buffer.getvalue()


def small(image: Pixels) -> Pixels:
    return np.asarray(cv2.resize(image, (64, 64), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def psnr(image: Pixels, wanted: Pixels, where: Mask | slice = slice(None)) -> float:
    """In dB; 75 dB, a hundredth of a grey level squared, is as good as identical."""
    error = float(((image.astype(np.float64) - wanted) ** 2)[where].mean())
    return min(75.0, 10 * float(np.log10(255.0**2 / max(error, 1e-12))))


def agreement(found: Mask, truth: Mask) -> dict[str, float]:
    scores = precision_recall_fscore_support(
        truth.ravel(), found.ravel(), average="binary", zero_division=0
    )
    return dict(zip(("precision", "recall", "Dice"), scores, strict=False))


def similarity(image: Pixels, wanted: Pixels) -> float:
    """SSIM of the grey images."""
    grey = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in (image, wanted)]
    return float(structural_similarity(*grey))


def seconds_of(call: Callable[..., object], *arguments: object) -> float:
    """Of the processor."""
    started = time.process_time()
    call(*arguments)
    return time.process_time() - started
