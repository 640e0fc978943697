"""A model file that answers: either format behind one interface."""

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harmonic.errors import InputError
from harmonic.images.hair import METHODS
from harmonic.model_file.description import Description, calibration_of


class Predictor(Protocol):
    """A network with what it says about itself."""

    description: Description

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Outputs (N, classes) for prepared images (N, size, size, 3), averaged over views."""
        ...


def load_predictor(path: Path) -> Predictor:
    """The network in a .onnx or .safetensors file; torch is imported for the latter alone.

    Raises InputError with one line for a file that is missing, damaged, foreign, too large, odd, or
    not calibrated.
    """
    predictor: Predictor
    if path.suffix == ".onnx":
        from harmonic.deploy.onnx_predictor import OnnxPredictor

        predictor = OnnxPredictor(path)
    elif path.suffix == ".safetensors":
        try:
            from harmonic.deploy.torch_predictor import TorchPredictor
        except ModuleNotFoundError as error:
            raise InputError(
                f"model {path}: {error.name} is not installed; a .onnx file needs no torch"
            ) from None
        predictor = TorchPredictor(path)
    else:
        raise InputError(f"model {path}: its name must end in .safetensors or .onnx")
    calibration_of(predictor.description, str(path))
    check_record(predictor.description, path)
    return predictor


def check_record(description: Description, path: Path) -> None:
    """Raises InputError for a record with which no image could be prepared or answered."""
    if description.hair_method not in METHODS:
        allowed = ", ".join(METHODS)
        raise InputError(
            f"model {path}: hair_method is {description.hair_method[:60]!r}; allowed are {allowed}"
        )
    if min(description.class_counts) < 1:
        raise InputError(
            f"model {path}: class_counts has {min(description.class_counts)}; 1 or more"
        )
    if min(description.std) <= 0:
        raise InputError(f"model {path}: std has {min(description.std):g}; more than 0 is needed")
