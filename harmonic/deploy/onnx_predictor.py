"""Answers from a .onnx file, by ONNX Runtime."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from harmonic.errors import InputError
from harmonic.model_file.description import Description, calibration_of
from harmonic.model_file.onnx_file import INPUT, OUTPUT, one_line, read_onnx


class OnnxPredictor:
    """See `harmonic.deploy.predictor.Predictor`."""

    def __init__(self, path: Path, *, threads: int = 0, views: int | None = None) -> None:
        """threads: of ONNX Runtime; 0 leaves it the choice. views: the file's own without."""
        self.path = path
        content, self.description = read_onnx(path)
        self.views = views
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4
        options.intra_op_num_threads = threads
        try:
            self.session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise InputError(f"model {path}: {one_line(error)}") from None

    def logits(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        count = self.views or calibration_of(self.description, "").views
        images = normalised(pixels, self.description)
        outputs = np.stack([self.run(view) for view in views(images, count)])
        return np.asarray(outputs.mean(axis=0, dtype=np.float64))

    def run(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """The network alone: normalised images (N, 3, size, size) to (N, classes).

        Raises InputError where the network fails, or answers another number of images.
        """
        try:
            (output,) = self.session.run([OUTPUT], {INPUT: np.ascontiguousarray(images)})
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise InputError(f"model {self.path}: {one_line(error)}") from None
        needed = (len(images), len(self.description.classes))
        if np.shape(output) != needed:
            raise InputError(
                f"model {self.path}: answers in shape {np.shape(output)}; {needed} is needed"
            )
        return np.asarray(output)


def normalised(pixels: NDArray[np.uint8], description: Description) -> NDArray[np.float32]:
    """Images (N, H, W, 3) to (N, 3, H, W) of zero mean and unit deviation over the training set.

    The same operations in the same precision as `harmonic.learning.batches.normalised`.
    """
    images = pixels.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    mean = np.array(description.mean, dtype=np.float32).reshape(3, 1, 1)
    std = np.array(description.std, dtype=np.float32).reshape(3, 1, 1)
    images -= mean
    images /= np.maximum(std, np.float32(1e-3))
    return images


def views(images: NDArray[np.float32], count: int) -> list[NDArray[np.float32]]:
    """The image as it is (count = 1) or all eight flips and quarter turns (count = 8)."""
    if count == 1:
        return [images]
    turned = [np.rot90(images, quarter, axes=(2, 3)) for quarter in range(4)]
    return turned + [turn[..., ::-1] for turn in turned]
