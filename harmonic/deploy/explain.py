"""Pictures of where a network looks: the image as it sees it, and a heat map over it."""

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from harmonic.deploy.answers import Answer
from harmonic.deploy.predictor import Predictor
from harmonic.errors import InputError

SIDE = 320
"""Of each of the two panels, in pixels."""


class Explainer:
    """Writes pictures into a folder; none over another."""

    def __init__(self, predictor: Predictor, folder: Path) -> None:
        """Raises InputError for an .onnx file, which has no gradients, and for no folder."""
        if not hasattr(predictor, "explained"):
            raise InputError("--explain needs a .safetensors file: an .onnx file has no gradients")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--explain {folder}: {error.strerror}") from None
        self.predictor, self.folder = predictor, folder
        self.taken: set[str] = set()

    def write(self, answer: Answer) -> Path:
        """DIR/<name of the image>.png; a second image of that name gets a number."""
        assert answer.prepared is not None
        number = self.predictor.description.classes.index(answer.prediction)
        heat = self.predictor.explained(answer.prepared, number)
        stem = Path(answer.image).stem.strip("-") or "standard-input"
        name, count = stem, 1
        while name in self.taken:
            count += 1
            name = f"{stem}-{count}"
        self.taken.add(name)
        path = self.folder / f"{name}.png"
        Image.fromarray(picture(answer.prepared, heat)).save(path)
        return path


def picture(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """uint8 (SIDE, 2 · SIDE, 3): the image, and the same under a heat map in [0, 1]."""
    large = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    warm = cv2.resize(heat, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    colours = cv2.applyColorMap((255 * warm).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    share = 0.6 * warm[..., None]
    covered = (1 - share) * large + share * colours
    return np.concatenate([large, covered.round().astype(np.uint8)], axis=1)
