"""A trained network as a .onnx file that any ONNX runtime can run, with all it needs inside."""

import io
import logging
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

import harmonic
from harmonic.deploy.predictor import OnnxPredictor
from harmonic.errors import InputError
from harmonic.files import whole
from harmonic.model_file.description import KEY, Description, sealed
from harmonic.model_file.onnx_file import INPUT, OUTPUT
from harmonic.nn.binary import settled
from harmonic.nn.surgery import fold

TOLERANCE = 1e-4
"""Largest difference allowed between ONNX Runtime's logits and torch's."""
OPSET = 20
BATCHES = (1, 3)


def plain(model: nn.Module) -> nn.Module:
    """The convolutions and biases alone that a network comes to in eval mode.

    Quantised weights are settled, harmonic layers folded, batch norm goes into the convolution
    before it where there is one.
    """
    return fuse(fold(settled(model).eval()))


def onnx_graph(model: nn.Module, image_size: int) -> onnx.ModelProto:
    """The network from `images` (batch, 3, image_size, image_size), float32, to `logits`.

    Its bytes depend on the network alone.
    """
    content = io.BytesIO()
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        # The exporter that traces: the newer one takes ten seconds instead of 0.2, and writes
        # a dozen operators around each reshape, and names of files on this machine.
        torch.onnx.export(
            plain(model),
            (torch.zeros(2, 3, image_size, image_size),),
            content,  # type: ignore[arg-type]
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: "batch"}, OUTPUT: {0: "batch"}},
        )
    graph = onnx.ModelProto.FromString(content.getvalue())
    for node in graph.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del graph.graph.value_info[:]
    (output,) = graph.graph.output
    output.type.tensor_type.shape.dim[0].dim_param = "batch"
    return graph


def with_metadata(
    graph: onnx.ModelProto, description: Description, provenance: Mapping[str, str]
) -> bytes:
    """The file: the graph, the record that a model file of either format has, and its origin."""
    onnx.helper.set_model_props(
        graph,
        {
            KEY: description.record(),
            "notice": "no medical device: research software, never tested on patients",
            **provenance,
        },
    )
    graph.producer_name, graph.producer_version = "harmonic-networks", harmonic.__version__
    return sealed(graph.SerializeToString(deterministic=True))


def export_onnx(
    model: nn.Module, description: Description, path: Path, provenance: Mapping[str, str]
) -> float:
    """Write the file and check it: returns the largest difference of logits from torch's.

    Raises InputError, and leaves no file, where it is above TOLERANCE.
    """
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    content = with_metadata(onnx_graph(model, description.image_size), description, provenance)
    with whole(path) as unfinished:
        unfinished.write_bytes(content)
        difference = largest_difference(model, OnnxPredictor(unfinished))
        if not difference <= TOLERANCE:
            raise InputError(
                f"{path}: ONNX Runtime's logits differ from torch's by {difference:g}; "
                f"{TOLERANCE:g} is allowed"
            )
    return difference


def largest_difference(model: nn.Module, exported: OnnxPredictor) -> float:
    """Between the logits of both, for images of white noise in batches of several sizes."""
    size = exported.description.image_size
    found = []
    for batch in BATCHES:
        images = torch.randn(batch, 3, size, size, generator=torch.Generator().manual_seed(batch))
        with torch.inference_mode():
            expected: Tensor = model.eval()(images)
        found.append(np.abs(exported.run(images.numpy()) - expected.numpy()).max())
    return float(max(found))
