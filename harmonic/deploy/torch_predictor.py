"""Answers from a .safetensors file: the pipeline's own network and averaging."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from harmonic.learning.batches import as_images, normaliser, predict_logits
from harmonic.model_file.description import calibration_of
from harmonic.model_file.safetensors_file import load_model
from harmonic.nn.attribution import grad_cam

CPU = torch.device("cpu")


class TorchPredictor:
    """See `harmonic.deploy.predictor.Predictor`."""

    def __init__(self, path: Path) -> None:
        self.model, self.description = load_model(path)
        self.statistics = self.description.statistics()

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        count = calibration_of(self.description, "").views
        return predict_logits(self.model, pixels, self.statistics, CPU, view_count=count)

    def explained(self, pixels: NDArray[np.uint8], class_number: int) -> NDArray[np.float32]:
        """Where one prepared image (size, size, 3) speaks for a class: (size, size) in [0, 1]."""
        normalise = normaliser(self.model, self.statistics, CPU)
        images = normalise(as_images(torch.from_numpy(np.array(pixels))[None]))
        return grad_cam(self.model, images, torch.tensor([class_number]))[0].numpy()
