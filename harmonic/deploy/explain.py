"""Pictures of where a network looks: the image as it sees it, and a heat map over it."""

import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from harmonic.deploy.answers import Answer
from harmonic.deploy.inputs import EXPLANATION
from harmonic.deploy.predictor import Predictor
from harmonic.errors import InputError
from harmonic.files import write_bytes

SIDE = 320
"""Of each of the two panels, in pixels."""
LONGEST_STEM = 50
"""Characters, of up to four bytes; a file's name may have 255 bytes."""


class Explainer:
    """Writes pictures into a folder."""

    def __init__(self, predictor: Predictor, folder: Path) -> None:
        """Raises InputError for an .onnx file, which has no gradients, and for no folder."""
        if not hasattr(predictor, "explained"):
            raise InputError("--explain needs a .safetensors file: an .onnx file has no gradients")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--explain {folder}: {error.strerror}") from None
        self.predictor, self.folder = predictor, folder

    def write(self, answer: Answer, name: str) -> None:
        assert answer.prepared is not None
        number = self.predictor.description.classes.index(answer.prediction)
        heat = self.predictor.explained(answer.prepared, number)
        content = io.BytesIO()
        told = PngInfo()
        told.add_text(EXPLANATION, "1")
        Image.fromarray(picture(answer.prepared, heat)).save(content, format="PNG", pnginfo=told)
        write_bytes(self.folder / name, content.getvalue())


def picture_names(images: Sequence[str]) -> list[str]:
    """A name for the picture of each image, all different also where upper case is lower case:
    <name of the image>-explained.png, with a number from the second image of that name on."""
    names: list[str] = []
    counts: Counter[str] = Counter()
    for image in images:
        stem = Path(image).stem.strip("-")[:LONGEST_STEM] or "standard-input"
        counts[stem.casefold()] += 1
        count = counts[stem.casefold()]
        names.append(f"{stem}-explained{'' if count == 1 else f'-{count}'}.png")
    return names


def picture(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """uint8 (SIDE, 2 · SIDE, 3): the image, and the same under a heat map in [0, 1]."""
    large = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    warm = cv2.resize(heat, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    colours = cv2.applyColorMap((255 * warm).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    share = 0.6 * warm[..., None]
    covered = (1 - share) * large + share * colours
    return np.concatenate([large, covered.round().astype(np.uint8)], axis=1)
