"""Model files that answer: either format behind one interface. No torch is needed for ONNX."""

import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from harmonic.errors import InputError, one_line
from harmonic.images.hair import METHODS
from harmonic.model_file.description import Description, calibration_of
from harmonic.model_file.onnx_file import INPUT, OUTPUT, read_onnx

MOST_HELD = 2**28
"""Values in the arrays of an ONNX network, of all images that it is asked about at once: 1 GiB."""


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
    description = predictor.description
    calibration_of(description, str(path))
    if description.hair_method not in METHODS:
        raise InputError(
            f"model {path}: hair_method is {description.hair_method[:60]!r}; "
            f"allowed are {', '.join(METHODS)}"
        )
    if (fewest := min(description.class_counts)) < 1:
        raise InputError(f"model {path}: class_counts has {fewest}; 1 or more")
    if min(description.std) <= 0:
        raise InputError(f"model {path}: std has {min(description.std):g}; more than 0 is needed")
    return predictor


class OnnxPredictor:
    """Answers from a .onnx file, by ONNX Runtime."""

    def __init__(self, path: Path, *, threads: int = 0, views: int | None = None) -> None:
        """threads: of ONNX Runtime; 0 leaves it the choice. views: the file's own without."""
        self.path = path
        content, self.description, values = read_onnx(path)
        self.at_once = max(1, MOST_HELD // values)
        self.views = views
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        providers = ["CPUExecutionProvider"]
        try:
            self.session = onnxruntime.InferenceSession(content, options, providers=providers)
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise InputError(f"model {path}: {one_line(error)}") from None

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        count = self.views or calibration_of(self.description, "").views
        images = normalised(pixels, self.description)
        parts = range(0, len(images), self.at_once)
        outputs = np.stack(
            [
                np.concatenate([self.run(view[start : start + self.at_once]) for start in parts])
                for view in views(images, count)
            ]
        )
        return np.asarray(outputs.mean(axis=0, dtype=np.float64))

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network alone: normalised images (N, 3, size, size) to (N, classes).

        Raises InputError where the network fails, or answers another number of images.
        """
        try:
            (output,) = self.session.run([OUTPUT], {INPUT: np.ascontiguousarray(images)})
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise InputError(f"model {self.path}: {one_line(error)}") from None
        shape, needed = np.shape(output), (len(images), len(self.description.classes))
        if shape != needed:
            raise InputError(f"model {self.path}: answers in shape {shape}; {needed} is needed")
        return np.asarray(output)


def normalised(pixels: NDArray[np.uint8], description: Description) -> NDArray[np.float32]:
    """Images (N, H, W, 3) to (N, 3, H, W) of zero mean and unit deviation over the training set.

    The same operations in the same precision as `harmonic.learning.batches.normalised`.
    """
    images = pixels.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    images -= np.array(description.mean, dtype=np.float32).reshape(3, 1, 1)
    std = np.array(description.std, dtype=np.float32).reshape(3, 1, 1)
    images /= np.maximum(std, np.float32(1e-3))
    return images


def views(images: NDArray[np.float32], count: int) -> list[NDArray[np.float32]]:
    """The image as it is (count = 1) or all eight flips and quarter turns (count = 8)."""
    if count == 1:
        return [images]
    turned = [np.rot90(images, quarter, axes=(2, 3)) for quarter in range(4)]
    return turned + [turn[..., ::-1] for turn in turned]


def milliseconds(
    predictors: Mapping[str, OnnxPredictor], batch: int, rounds: int
) -> dict[str, float]:
    """Median wall time of one call of ONNX Runtime for a batch of images, by name.

    The networks take turns within each round, and who is first changes with the round, so that
    what else the machine does hits all alike.
    """
    random = np.random.default_rng(0)
    inputs = {}
    for name, predictor in predictors.items():
        size = predictor.description.image_size
        inputs[name] = random.standard_normal((batch, 3, size, size), dtype=np.float32)
    seconds: dict[str, list[float]] = {name: [] for name in predictors}
    for round_number in range(rounds + 1):
        for name in list(predictors)[:: 1 if round_number % 2 else -1]:
            started = time.perf_counter()
            predictors[name].run(inputs[name])
            if round_number:  # the first warms up
                seconds[name].append(time.perf_counter() - started)
    return {name: round(1000 * statistics.median(each), 3) for name, each in seconds.items()}
