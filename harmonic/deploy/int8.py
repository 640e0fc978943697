"""Weights and activations in 8 bits after training, by ONNX Runtime's own quantiser."""

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from torch import nn

from harmonic.deploy.export import onnx_graph, with_metadata
from harmonic.deploy.predictor import normalised
from harmonic.files import write_bytes
from harmonic.model_file.description import Description
from harmonic.model_file.onnx_file import INPUT

BATCH = 32


class Images(CalibrationDataReader):
    """Normalised images, a batch at a time."""

    def __init__(self, pixels: NDArray[np.uint8], description: Description) -> None:
        parts = np.split(pixels, range(BATCH, len(pixels), BATCH))
        self.batches = ({INPUT: normalised(part, description)} for part in parts)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self.batches, None)


def export_int8(
    model: nn.Module, description: Description, path: Path, pixels: NDArray[np.uint8]
) -> None:
    """Write a .onnx file with 8-bit weights (a scale a filter) and activations (a scale an array).

    pixels: prepared images (N, size, size, 3) of the training set; the range of every activation is
    the one seen on them. Biases keep 32 bits.
    """
    graph = onnx_graph(model, description.image_size)
    logging.getLogger().setLevel(logging.ERROR)  # it would advise to optimise what is optimised
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        quantize_static(
            graph,
            target,
            Images(pixels, description),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # 7 bits of weight: two products of 8 bits overflow 16 on processors without VNNI.
            reduce_range=True,
            calibrate_method=CalibrationMethod.MinMax,
        )
        quantised = onnx.load(target)
    del quantised.graph.value_info[:]
    del quantised.metadata_props[:]
    shorten_names(quantised.graph)
    write_bytes(path, with_metadata(quantised, description, {"weights": "int8"}))


def shorten_names(graph: onnx.GraphProto) -> None:
    """Numbers for the names inside: those of the quantiser take a twentieth of a small file."""
    kept = {value.name for value in (*graph.input, *graph.output)} | {""}
    numbers: dict[str, str] = {}

    def short(name: str) -> str:
        return name if name in kept else numbers.setdefault(name, str(len(numbers)))

    for tensor in graph.initializer:
        tensor.name = short(tensor.name)
    for node in graph.node:
        node.name = ""
        node.input[:] = [short(name) for name in node.input]
        node.output[:] = [short(name) for name in node.output]
