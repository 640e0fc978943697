"""A model file in ONNX form, read and checked; nothing about it is trusted.

An ONNX file is a program. What `harmonic.deploy.export` writes needs few operators and no other
file, so anything beyond is refused before ONNX Runtime sees it: operators that could loop or make
large arrays from small ones, weights in other files, shapes that would fill the memory.
"""

import math
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError

from harmonic.errors import InputError, one_line
from harmonic.model_file.description import (
    KEY,
    Description,
    check_file,
    check_seal,
    read_description,
)

INPUT, OUTPUT = "images", "logits"
OPERATORS = {
    *("Add", "BatchNormalization", "Conv", "Flatten", "Gemm", "GlobalAveragePool", "Identity"),
    *("MatMul", "MaxPool", "ReduceMean", "Relu", "Constant"),
    *("QuantizeLinear", "DequantizeLinear"),  # int8
}
MOST_VALUES = 2**26
"""In one array of the network, for one image: 256 MiB of float32."""


def read_onnx(path: Path) -> tuple[bytes, Description]:
    """The bytes of a checked file, and what it says about its network.

    Raises InputError with one line for a file that is missing, damaged, foreign, hostile or large.
    """
    check_file(path)
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
        name = tensor.name[:60]
        if tensor.data_location == tensor.EXTERNAL or tensor.external_data:
            raise ValueError(f"weights {name} are in another file; that is not allowed")
        if math.prod(tensor.dims) > model.ByteSize():
            raise ValueError(f"weights {name} claim more values than the file has bytes")
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
