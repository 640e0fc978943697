"""`source: sample`: a data set of dermoscopy phantoms in the layout of the Kaggle archive.

Beside it, `truth/` keeps the true hair masks and the hairless originals of the hairy photographs.
A picture depends on the seed, its lesion and its number among that lesion's photographs alone, so
the order of work, the number of processes and an interruption leave no trace in the files.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.data.metadata import COLUMNS
from harmonic.data.sources.archive import METADATA, import_archives
from harmonic.errors import InputError
from harmonic.files import write_bytes
from harmonic.images.decode import write_jpeg, write_mask
from harmonic.images.parallel import in_processes
from harmonic.sample.phantom import draw_phantom

PARTS = ("HAM10000_images_part_1", "HAM10000_images_part_2")
MASKS = "truth/masks"
HAIRLESS = "truth/hairless"

FEWEST_IMAGES = 84
"""The smallest sample: three lesions or more in every class, one for each split."""

_IMAGES = {"mel": 1113, "nv": 6705, "bcc": 514, "akiec": 327, "bkl": 1099, "df": 115, "vasc": 142}
_LESIONS = {"mel": 614, "nv": 5403, "bcc": 327, "akiec": 228, "bkl": 727, "df": 73, "vasc": 98}
"""Images and lesions of each class in HAM10000."""
_SMALLEST_SHARE = 1 / 25  # of the images: df would have 16 of 1,400, too few to measure anything
_MOST_PHOTOGRAPHS = 6  # of one lesion, as in HAM10000

# How a diagnosis was made in HAM10000; follow-up exists for nevi alone.
_DX_TYPES = {
    "nv": {"follow_up": 0.55, "histo": 0.38, "consensus": 0.06, "confocal": 0.01},
    "bkl": {"histo": 0.70, "consensus": 0.23, "confocal": 0.07},
    "df": {"histo": 0.50, "consensus": 0.50},
    "vasc": {"histo": 0.50, "consensus": 0.50},
}
_AGES = {"mel": 61, "nv": 47, "bcc": 67, "akiec": 66, "bkl": 64, "df": 52, "vasc": 52}
"""Mean age in years; the spread is 16."""
_LOCALIZATIONS = {
    "back": 2192, "lower extremity": 2077, "trunk": 1404, "upper extremity": 1118,
    "abdomen": 1022, "face": 745, "chest": 407, "foot": 319, "unknown": 234, "neck": 168,
    "scalp": 128, "hand": 90, "ear": 56, "genital": 48, "acral": 7,
}  # fmt: skip
_PLAN, _LESION, _PHOTOGRAPH = range(3)  # independent random streams of one seed


def fetch_sample(raw: Path, unfinished: Path, *, images: int, seed: int) -> None:
    """Draw the sample in `unfinished/sample` and bring it, with its truth, into `raw`."""
    drawn = unfinished / "sample"
    write_sample(drawn, images=images, seed=seed)
    import_archives([drawn], raw)
    shutil.copytree(drawn / "truth", raw / "truth", dirs_exist_ok=True)


@dataclass(frozen=True)
class Photograph:
    """One image of the sample to be."""

    image_id: str
    part: str
    dx: str
    lesion: int
    number: int

    @property
    def path(self) -> Path:
        """Its place below the folder of the sample."""
        return Path(self.part, f"{self.image_id}.jpg")


def write_sample(folder: Path, *, images: int, seed: int, jobs: int = -1) -> None:
    """Write a sample of `images` phantoms into `folder`, or finish one that was begun there.

    The number of processes (`jobs`) changes no bit. Raises InputError for fewer than FEWEST_IMAGES
    images, a negative seed, or a folder that holds another sample.
    """
    if images < FEWEST_IMAGES:
        raise InputError(f"a sample of {images} images: {FEWEST_IMAGES} or more are needed")
    if seed < 0:
        raise InputError(f"the seed of a sample is {seed}; 0 or more is allowed")
    metadata, photographs = plan_sample(images, seed)
    for name in (*PARTS, MASKS, HAIRLESS):
        (folder / name).mkdir(parents=True, exist_ok=True)
    text = metadata.to_csv(index=False, lineterminator="\n").encode()
    table = folder / METADATA
    if table.exists() and table.read_bytes() != text:
        raise InputError(f"{table}: belongs to another sample; remove its folder first")
    write_bytes(table, text, alone=True)
    missing = [(folder, seed, each) for each in photographs if not (folder / each.path).exists()]
    done = len(photographs) - len(missing)
    list(in_processes(_write_photograph, missing, name="phantoms", jobs=jobs, done=done))


def plan_sample(images: int, seed: int) -> tuple[pd.DataFrame, list[Photograph]]:
    """The metadata table, Kaggle's, ordered by image_id, and the photographs to take.

    Identifiers are dealt at random over the classes, and so tell nothing about the diagnosis.
    """
    rng = np.random.default_rng([seed, _PLAN])
    lesions = [
        (dx, count)
        for dx, in_class in class_sizes(images).items()
        for count in _photographs_per_lesion(rng, dx, in_class)
    ]
    lesion_numbers = rng.permutation(len(lesions))
    image_numbers = rng.permutation(images)

    rows: list[tuple[str, str, str, str, float, str, str]] = []
    photographs: list[Photograph] = []
    for lesion, (dx, count) in enumerate(lesions):
        lesion_id = f"HAM_{lesion_numbers[lesion]:07d}"
        patient = _patient(rng, dx)
        for number in range(count):
            image_number = int(image_numbers[len(photographs)])
            image_id = f"ISIC_{24306 + image_number:07d}"
            part = PARTS[0] if image_number < images // 2 else PARTS[1]
            rows.append((lesion_id, image_id, dx, *patient))
            photographs.append(Photograph(image_id, part, dx, lesion, number))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.sort_values("image_id", ignore_index=True), photographs


def class_sizes(images: int) -> dict[str, int]:
    """Number of images of each class: HAM10000's proportions, with a floor for the rare ones."""
    floor = max(round(images * _SMALLEST_SHARE), min(12, images // 14))
    total = sum(_IMAGES.values())
    sizes = {dx: max(round(images * _IMAGES[dx] / total), floor) for dx in CLASSES}
    sizes["nv"] += images - sum(sizes.values())
    return sizes


def _photographs_per_lesion(rng: np.random.Generator, dx: str, images: int) -> list[int]:
    lesions = max(round(images * _LESIONS[dx] / _IMAGES[dx]), min(images, 6))
    counts = np.ones(lesions, dtype=int)
    for _ in range(images - lesions):
        free = np.flatnonzero(counts < _MOST_PHOTOGRAPHS)
        counts[rng.choice(free)] += 1
    return counts.tolist()


def _patient(rng: np.random.Generator, dx: str) -> tuple[str, float, str, str]:
    """dx_type, age, sex and localization of one lesion; age NaN and "unknown" where missing."""
    dx_types = _DX_TYPES.get(dx, {"histo": 1.0})
    dx_type = str(rng.choice(list(dx_types), p=list(dx_types.values())))
    age = float(np.clip(5 * round(rng.normal(_AGES[dx], 16) / 5), 0, 85))
    sex = "male" if rng.random() < 0.54 else "female"
    weights = np.array(list(_LOCALIZATIONS.values()), dtype=float)
    localization = str(rng.choice(list(_LOCALIZATIONS), p=weights / weights.sum()))
    if rng.random() < 0.006:
        age, sex = float("nan"), "unknown"
    return dx_type, age, sex, localization


def _write_photograph(folder: Path, seed: int, photograph: Photograph) -> None:
    phantom = draw_phantom(
        photograph.dx,
        np.random.default_rng([seed, _LESION, photograph.lesion]),
        np.random.default_rng([seed, _PHOTOGRAPH, photograph.lesion, photograph.number]),
    )
    if phantom.hair_mask is not None and phantom.hairless is not None:
        write_mask(folder / MASKS / f"{photograph.image_id}.png", phantom.hair_mask)
        write_jpeg(folder / HAIRLESS / f"{photograph.image_id}.jpg", phantom.hairless)
    # The image comes last: where it exists, everything about it does.
    write_jpeg(folder / photograph.path, phantom.image)
