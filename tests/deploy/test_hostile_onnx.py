"""ONNX files that are programs: what they may hold, compute and ask for."""

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from harmonic.deploy.predictor import load_predictor
from harmonic.errors import InputError
from harmonic.model_file.description import KEY, UNSEALED, sealed
from harmonic.model_file.onnx_file import read_onnx
from tests.deploy.test_hostile_files import refused

Change = Callable[[onnx.ModelProto], object]


@pytest.fixture
def changed(tmp_path: Path, models: dict[str, Path]) -> Callable[[Change], Path]:
    def write(change: Change) -> Path:
        model = onnx.load(models["onnx"])
        set_record(model, sha256=UNSEALED)
        change(model)
        content = model.SerializeToString()
        path = tmp_path / "changed.onnx"
        path.write_bytes(sealed(content) if UNSEALED.encode() in content else content)
        return path

    return write


def set_record(model: onnx.ModelProto, **changes: object) -> None:
    (entry,) = (entry for entry in model.metadata_props if entry.key == KEY)
    entry.value = json.dumps(json.loads(entry.value) | changes)


def calibration(temperature: float = 1.0, views: object = 8) -> dict[str, object]:
    return {"temperature": temperature, "views": views}


def outside(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../../etc/passwd"
    tensor.ClearField("raw_data")


def claims(model: onnx.ModelProto) -> None:
    tensor = model.graph.initializer[0]
    del tensor.dims[:]
    tensor.dims.extend([2**20, 2**20])


def bomb(model: onnx.ModelProto) -> None:
    """A hundred bytes that ask for 4 TB."""
    shape = numpy_helper.from_array(np.array([2**20, 2**20]), "shape")
    model.graph.initializer.append(shape)
    model.graph.node.append(helper.make_node("ConstantOfShape", ["shape"], ["huge"]))


def padded(model: onnx.ModelProto) -> None:
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "pads":
            attribute.ints[:] = [2**15] * 4


def loop(model: onnx.ModelProto) -> None:
    body = helper.make_graph([], "body", [], [])
    model.graph.node.append(helper.make_node("Identity", ["images"], ["copy"], body=body))


def foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "com.example"


def fixed_batch(model: onnx.ModelProto) -> None:
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_value = 5


def products(model: onnx.ModelProto) -> None:
    """60 kB that make twenty arrays of 256 MB before any image is seen."""
    for name, shape in (("column", (8000, 1)), ("row", (1, 8000))):
        model.graph.initializer.append(numpy_helper.from_array(np.ones(shape, np.float32), name))
    for number in range(20):
        model.graph.node.append(helper.make_node("MatMul", ["column", "row"], [f"p{number}"]))


def product(model: onnx.ModelProto) -> None:
    products(model)
    del model.graph.node[-19:]


def chain(model: onnx.ModelProto) -> None:
    """A hundred products of large arrays, which would be computed for days."""
    weights = np.ones((3, 3, 3, 3), np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weights, "weights"))
    pads = {"pads": [2000] * 4}
    model.graph.node.append(helper.make_node("Conv", ["images", "weights"], ["c0"], **pads))
    for number in range(100):
        node = helper.make_node("MatMul", [f"c{number}", "c0"], [f"c{number + 1}"])
        model.graph.node.append(node)


def crowd(model: onnx.ModelProto) -> None:
    names = ["images", *(f"copy{number}" for number in range(6000))]
    for name, copy in pairwise(names):
        model.graph.node.append(helper.make_node("Identity", [name], [copy]))


def no_group(model: onnx.ModelProto) -> None:
    """ONNX Runtime finds this out when it computes."""
    (node, *_) = (node for node in model.graph.node if node.op_type == "Conv")
    for attribute in node.attribute:
        if attribute.name == "group":
            attribute.i = 0


def one_answer(model: onnx.ModelProto) -> None:
    """The same logits, however many images are asked about."""
    del model.graph.node[:], model.graph.initializer[:]
    constant = numpy_helper.from_array(np.zeros((1, 7), dtype=np.float32))
    model.graph.node.append(helper.make_node("Constant", [], ["logits"], value=constant))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (fixed_batch, "a fixed number of images"),
        (lambda model: set_record(model, hair_method="shave"), "hair_method is 'shave'"),
        (lambda model: set_record(model, class_counts=[0] * 7), "class_counts has 0"),
        (lambda model: set_record(model, std=[0, 0.5, 0.5]), "std has 0"),
        (lambda model: set_record(model, class_counts=[10**308] * 7), "class_counts.0: Input"),
        (lambda model: set_record(model, calibration=calibration(1e-320)), "temperature: Input"),
        (lambda model: set_record(model, calibration=calibration(views=True)), "views: is of"),
        (lambda model: set_record(model, calibration=calibration(views=8.0)), "views: is of"),
        (outside, "in another file"),
        (claims, "claim more values"),
        (bomb, "ConstantOfShape is not allowed"),
        (padded, "too large"),
        (products, "its arrays have"),
        (product, "arrays of weights alone have"),
        (chain, "its arrays have"),
        (lambda model: (chain(model), model.graph.node.__delitem__(slice(-91, None))), "multiplic"),
        (crowd, "operators; 5000 are allowed"),
        (loop, "holds a graph"),
        (foreign_operator, "com.example"),
        (lambda model: model.ClearField("metadata_props"), "no description"),
        (lambda model: set_record(model, classes=["cat", "dog"]), "classes are"),
        (lambda model: set_record(model, image_size=64), "needed are images (3, 64, 64)"),
        (lambda model: set_record(model, mean="red"), "mean"),
        (lambda model: set_record(model, network="x" * 10_000), "network"),
        (lambda model: set_record(model, hidden=1), "hidden"),
        (lambda model: set_record(model, note="x" * 200_000), "characters"),
        (lambda model: model.graph.node.pop(), "no operator that computes logits"),
        (lambda model: model.graph.node.pop(0), "shapes do not fit"),
        (lambda model: model.graph.initializer.pop(), "model "),
    ],
)
def test_a_changed_onnx_file_is_refused(
    changed: Callable[[Change], Path], change: Change, part: str
) -> None:
    refused(changed(change), part)


@pytest.mark.parametrize(
    ("change", "part"), [(no_group, "model "), (one_answer, "answers in shape")]
)
def test_a_network_that_fails_at_work_is_told_in_one_line(
    changed: Callable[[Change], Path], change: Change, part: str
) -> None:
    path = changed(change)
    images = np.zeros((2, 32, 32, 3), dtype=np.uint8)
    with pytest.raises(InputError) as caught:
        load_predictor(path).logits(images)
    assert part in str(caught.value)
    assert path.name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_without_temperature_answers_nothing(
    changed: Callable[[Change], Path],
) -> None:
    path = changed(lambda model: set_record(model, calibration=None))
    assert read_onnx(path)
    refused(path, "holds no temperature")
