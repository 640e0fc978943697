"""Answers from a .onnx file, by ONNX Runtime; nothing about the file is trusted.

An ONNX file is a program. What `harmonic.deploy.export` writes needs few operators and no other
file, so anything beyond is refused before ONNX Runtime sees it: operators that could loop or make
large arrays from small ones, weights in other files, shapes that would fill the memory.
"""

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from harmonic.description import KEY, LARGEST_FILE, Description, calibration_of, read_description
from harmonic.errors import InputError
from harmonic.sealing import check_seal

INPUT, OUTPUT = "images", "logits"
OPERATORS = {
    *("Add", "BatchNormalization", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "Identity"),
    *("MatMul", "MaxPool", "ReduceMean", "Relu", "Constant"),
    *("QuantizeLinear", "DequantizeLinear"),  # int8
}
MOST_VALUES = 2**26
"""In one array of the network, for one image: 256 MiB of float32."""


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


def read_onnx(path: Path) -> tuple[bytes, Description]:
    """The bytes of a checked file, and what it says about its network.

    Raises InputError with one line for a file that is missing, damaged, foreign, hostile or large.
    """
    if not path.is_file():
        raise InputError(f"model {path} is not there")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"model {path}: larger than {LARGEST_FILE} bytes")
    content = path.read_bytes()
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError:
        raise InputError(f"model {path}: no whole ONNX file") from None
    texts = {entry.key: entry.value for entry in model.metadata_props}
    description = read_description(texts.get(KEY), str(path))
    try:
        check_seal(content, description.sha256)
        check_graph(model, description)
    except ValueError as error:
        raise InputError(f"model {path}: {one_line(error)}") from None
    return content, description


def check_graph(model: onnx.ModelProto, description: Description) -> None:
    """Raises ValueError for a graph that this project would not write."""
    graph = model.graph
    if model.functions or model.training_info or graph.sparse_initializer:
        raise ValueError("has functions, training information or sparse weights; none are allowed")
    tensors = list(graph.initializer)
    for node in graph.node:
        if node.domain or node.op_type not in OPERATORS:
            raise ValueError(f"operator {node.domain}{node.op_type} is not allowed")
        for attribute in node.attribute:
            if attribute.type in (attribute.GRAPH, attribute.GRAPHS, attribute.SPARSE_TENSOR):
                raise ValueError(f"operator {node.op_type} holds a graph; none is allowed")
            if attribute.type == attribute.TENSOR:
                tensors.append(attribute.t)
    for tensor in tensors:
        if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
            raise ValueError(f"weights {tensor.name[:60]} are in another file; that is not allowed")
        if math.prod(tensor.dims) > model.ByteSize():
            raise ValueError(
                f"weights {tensor.name[:60]} claim more values than the file has bytes"
            )
    size = description.image_size
    known = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: shape_of(value)[1:] for value in graph.input if value.name not in known}
    outputs = {value.name: shape_of(value)[1:] for value in graph.output}
    if inputs != {INPUT: [3, size, size]} or outputs != {OUTPUT: [len(description.classes)]}:
        raise ValueError(
            f"takes {str(inputs)[:100]} and gives {str(outputs)[:100]}; needed are {INPUT} "
            f"(3, {size}, {size}) and {OUTPUT} ({len(description.classes)})"
        )
    ends = [value for value in (*graph.input, *graph.output) if value.name not in known]
    if any(shape_of(value)[0] is not None for value in ends):
        raise ValueError("takes a fixed number of images; any number is needed")
    if not any(OUTPUT in node.output for node in graph.node):
        raise ValueError(f"has no operator that computes {OUTPUT}")
    check_sizes(model)


def check_sizes(model: onnx.ModelProto) -> None:
    """Raises ValueError where an array of the network is too large or of unknown size."""
    single = onnx.ModelProto()
    single.CopyFrom(model)
    for value in (*single.graph.input, *single.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    del single.graph.value_info[:]
    try:
        inferred = onnx.shape_inference.infer_shapes(single, check_type=True, strict_mode=True)
    except Exception as error:  # onnx has its own classes for what it finds
        raise ValueError(f"its shapes do not fit together ({one_line(error)})") from None
    known = {value.name: shape_of(value) for value in inferred.graph.value_info}
    known |= {value.name: shape_of(value) for value in inferred.graph.output}
    for node in inferred.graph.node:
        for name in node.output:
            shape = known.get(name)
            if shape is None or None in shape:
                raise ValueError(f"the size of {name[:60]} is not known")
            if math.prod(side for side in shape if side) > MOST_VALUES:
                raise ValueError(f"array {name[:60]} has shape {shape}; too large")


def shape_of(value: onnx.ValueInfoProto) -> list[int | None]:
    """Sides of an array; None where one is free."""
    return [
        dim.dim_value if dim.HasField("dim_value") else None
        for dim in value.type.tensor_type.shape.dim
    ]


def one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300] or type(error).__name__
