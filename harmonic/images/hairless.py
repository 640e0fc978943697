"""A folder of images without hair: on all cores, resumable, one image in memory at a time."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from joblib import delayed
from tqdm import tqdm

from harmonic.images.decode import read_rgb, write_jpeg
from harmonic.images.hair import remove_hair
from harmonic.images.parallel import in_processes


def remove_hair_from_files(
    image_ids: Sequence[str], source: Path, target: Path, method: str, *, jobs: int = -1
) -> int:
    """Write `target/<id>.jpg` for every `source/<id>.jpg`; return how many images were changed.

    An image in which no hair is found is copied byte for byte, never recompressed. Files that are
    already in `target` are whole (each is written beside its place and moved) and are passed over,
    so an interrupted run goes on. Raises InputError naming the file where one cannot be decoded.
    """
    # Workers outlive a call and keep the working directory they were started in.
    source, target = source.absolute(), target.absolute()
    target.mkdir(parents=True, exist_ok=True)
    calls = (
        delayed(remove_hair_from_file)(
            source / f"{image_id}.jpg", target / f"{image_id}.jpg", method
        )
        for image_id in image_ids
    )
    results = in_processes(calls, jobs)
    bar = tqdm(results, total=len(image_ids), desc="remove_hair", unit="image", disable=None)
    return sum(bar)


def remove_hair_from_file(source: Path, target: Path, method: str) -> bool:
    """One file of `remove_hair_from_files`; True where the image was changed."""
    if target.exists():
        return not same_bytes(source, target)
    cv2.setNumThreads(1)  # the workers of joblib already use every core
    image = read_rgb(source)
    cleaned = remove_hair(image, method=method)
    if np.array_equal(cleaned, image):
        unfinished = target.with_name(f"{target.name}.unfinished")
        shutil.copyfile(source, unfinished)
        unfinished.replace(target)
        return False
    write_jpeg(target, cleaned)
    return True


def same_bytes(first: Path, second: Path) -> bool:
    return first.read_bytes() == second.read_bytes()
