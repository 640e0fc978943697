"""A model file in ONNX form, read and checked; nothing about it is trusted.

An ONNX file is a program. What `harmonic.deploy.export` writes needs few operators and no other
file, so anything beyond is refused before ONNX Runtime sees it: operators that could loop or make
large arrays from small ones, weights in other files, shapes that would fill the memory.
"""

import math
from collections.abc import Mapping, Sequence
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
MOST_VALUES_IN_ALL = 2**29
"""In all arrays of the network: more than those of WRN-28-10 at 224 pixels."""
MOST_WORK = 2**38
"""Multiply-adds for one image: those of WRN-28-10 at 224 pixels."""
MOST_OPERATORS_IN_ALL = 5000


def read_onnx(path: Path) -> tuple[bytes, Description, int]:
    """The bytes of a checked file, what it says about its network, and how many values all arrays
    of the network have together for one image.

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
        values = check_graph(model, description)
    except ValueError as error:
        raise InputError(f"model {path}: {one_line(error)}") from None
    return content, description, values


def check_graph(model: onnx.ModelProto, description: Description) -> int:
    """The values of all arrays; raises ValueError for a graph that this project would not write."""
    graph = model.graph
    if len(graph.node) > MOST_OPERATORS_IN_ALL:
        raise ValueError(f"has {len(graph.node)} operators; {MOST_OPERATORS_IN_ALL} are allowed")
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
    return check_sizes(model)


def check_sizes(model: onnx.ModelProto) -> int:
    """The values of all arrays together, for one image.

    Raises ValueError where an array is of unknown size or too large, and where all together are, or
    what is computed with them. What follows from the weights alone is computed and kept before any
    image is seen: it may have as many values as the file has bytes.
    """
    shapes = shapes_for_one_image(model)
    of_images, values, constants, work = {INPUT}, 0, 0, 0
    for node in model.graph.node:
        for name in node.output:
            shape = shapes.get(name)
            if shape is None or None in shape:
                raise ValueError(f"the size of {name[:60]} is not known")
            if size_of(shape) > MOST_VALUES:
                raise ValueError(f"array {name[:60]} has shape {shape}; too large")
        made = sum(size_of(shapes[name]) for name in node.output)
        values += made
        work += made * taps(node, shapes) + sum(size_of(shapes.get(one, [])) for one in node.input)
        if of_images.isdisjoint(node.input):
            constants += made
        else:
            of_images.update(node.output)
    for what, found, most in (
        ("arrays have {} values", values, MOST_VALUES_IN_ALL),
        ("arrays of weights alone have {} values", constants, model.ByteSize()),
        ("operators do {} multiplications an image", work, MOST_WORK),
    ):
        if found > most:
            raise ValueError(f"its {what.format(found)}; {most} are allowed")
    return values


def shapes_for_one_image(model: onnx.ModelProto) -> dict[str, list[int | None]]:
    """The shape of every array by its name. Raises ValueError where they do not fit together."""
    single = onnx.ModelProto()
    single.CopyFrom(model)
    for value in (*single.graph.input, *single.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 1
    del single.graph.value_info[:]
    try:
        graph = onnx.shape_inference.infer_shapes(single, check_type=True, strict_mode=True).graph
    except Exception as error:  # onnx has its own classes for what it finds
        raise ValueError(f"its shapes do not fit together ({one_line(error)})") from None
    weights: dict[str, list[int | None]] = {one.name: list(one.dims) for one in graph.initializer}
    others = (*graph.input, *graph.value_info, *graph.output)
    return weights | {value.name: shape_of(value) for value in others}


def taps(node: onnx.NodeProto, shapes: Mapping[str, list[int | None]]) -> int:
    """How many products make one value of an operator's output, at the most."""
    if node.op_type == "MaxPool":
        return max(math.prod(one.ints) for one in node.attribute if one.name == "kernel_shape")
    if node.op_type not in ("Conv", "MatMul", "Gemm"):
        return 1
    (second,) = (shapes.get(name, []) for name in node.input[1:2])
    return (
        size_of(second[1:])
        if node.op_type == "Conv"
        else max((side or 1 for side in second), default=1)
    )


def size_of(shape: Sequence[int | None]) -> int:
    return math.prod(side for side in shape if side)


def shape_of(value: onnx.ValueInfoProto) -> list[int | None]:
    """Sides of an array; None where one is free."""
    return [
        dim.dim_value if dim.HasField("dim_value") else None
        for dim in value.type.tensor_type.shape.dim
    ]
