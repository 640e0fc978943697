"""Small data sets in the layouts of the sources, made in memory."""

import hashlib
import io
import zipfile
from collections.abc import Mapping

import numpy as np
from PIL import Image

from harmonic.data.classes import CLASSES

METADATA = "HAM10000_metadata.csv"
HEADER = "lesion_id,image_id,dx,dx_type,age,sex,localization"
IMAGE_IDS = [f"ISIC_{24306 + number:07d}" for number in range(21)]
DX = [CLASSES[number % 7] for number in range(21)]


def jpeg(seed: int, *, quality: int = 90) -> bytes:
    """A picture of smooth noise: 40 x 30 pixels, another one for every seed."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 255, size=(6, 8, 3)).astype(np.uint8)
    picture = Image.fromarray(coarse).resize((40, 30), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=quality)
    return buffer.getvalue()


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def images() -> dict[str, bytes]:
    return {f"{image_id}.jpg": jpeg(number) for number, image_id in enumerate(IMAGE_IDS)}


def metadata() -> str:
    """Kaggle's table: lesions of one image each."""
    rows = [
        f"HAM_{number:07d},{image_id},{dx},histo,50.0,male,back"
        for number, (image_id, dx) in enumerate(zip(IMAGE_IDS, DX, strict=True))
    ]
    return "\n".join([HEADER, *rows]) + "\n"


def kaggle_archive() -> bytes:
    """Every image twice, as Kaggle ships them, and 3 MB of pixel tables that nobody needs."""
    pixels = np.random.default_rng(0).bytes(3_000_000)
    folders = ("HAM10000_images_part_1", "ham10000_images_part_1")
    members: dict[str, bytes | str] = {METADATA: metadata(), "hmnist_28_28_RGB.csv": pixels}
    for folder in folders:
        members |= {f"{folder}/{name}": content for name, content in images().items()}
    return zipped(members)


def dataverse_files() -> dict[str, bytes]:
    """The table, with its eighth column, and two zip files of images."""
    lines = metadata().splitlines()
    table = [f"{lines[0]},dataset", *(f"{line},vidir_modern" for line in lines[1:])]
    pairs = list(images().items())
    return {
        METADATA: ("\n".join(table) + "\n").encode(),
        "HAM10000_images_part_1.zip": zipped(dict(pairs[:10])),
        "HAM10000_images_part_2.zip": zipped(dict(pairs[10:])),
    }


def isic_truth() -> str:
    """The challenge's ground truth: a column a class, 1.0 in one of them."""
    rows = [",".join(["image", *(name.upper() for name in CLASSES)])]
    for image_id, dx in zip(IMAGE_IDS, DX, strict=True):
        rows.append(",".join([image_id, *("1.0" if dx == other else "0.0" for other in CLASSES)]))
    return "\n".join(rows) + "\n"


def isic_files() -> dict[str, bytes]:
    """The challenge's three files: ground truth, lesion groupings, images."""
    name = "ISIC2018_Task3_Training"
    lesions = ["image,lesion_id,diagnosis_confirm_type"]
    lesions += [f"{image_id},HAM_{n:07d},histopathology" for n, image_id in enumerate(IMAGE_IDS)]
    inside = {f"{name}_Input/{file}": content for file, content in images().items()}
    truth_member = f"{name}_GroundTruth/{name}_GroundTruth.csv"
    return {
        f"{name}_LesionGroupings.csv": ("\n".join(lesions) + "\n").encode(),
        f"{name}_GroundTruth.zip": zipped({truth_member: isic_truth()}),
        f"{name}_Input.zip": zipped({**inside, f"{name}_Input/LICENSE.txt": "CC"}),
    }


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()
