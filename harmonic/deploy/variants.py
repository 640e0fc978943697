"""A trained network made smaller in every way this project knows, each as the file it becomes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from harmonic.deploy.export import plain
from harmonic.deploy.int8 import export_int8
from harmonic.deploy.predictor import OnnxPredictor
from harmonic.errors import InputError
from harmonic.learning.batches import predict_logits
from harmonic.model_file.description import Description, Storage
from harmonic.model_file.safetensors_file import described_network, load_model, save_stored
from harmonic.nn.binary import binarize, quantised_layers, settled
from harmonic.nn.surgery import take_over

LEVELS: tuple[int | str, ...] = (4, 3, 2, 1, "progressive")
BINARIES = ("ternary", "binary")

FineTune = Callable[[nn.Module, str], nn.Module]
"""A few more epochs for a network that was changed; the text names the change."""


@dataclass(frozen=True)
class Variant:
    """One way to store a network."""

    weights: str
    """float32, bfloat16, int8, level 4 … level 1, progressive, ternary or binary."""
    epochs: int
    """Of fine-tuning after the change."""
    path: Path
    """The file: its size is what the network takes on disk."""


def variants(
    model: nn.Module,
    description: Description,
    folder: Path,
    calibration_images: NDArray[np.uint8],
    fine_tune: FineTune | None,
    epochs: int,
) -> Iterator[Variant]:
    """Write a trained network's variants into a folder, one after the other.

    A network that was trained with binary weights has one smaller form, its packed one. Any other
    is rounded, quantised, cut to fewer frequencies (a plain one is made harmonic first, which is
    exact) and binarised after training, each of the latter two also with `epochs` of fine-tuning
    where there is a `fine_tune`.
    calibration_images: prepared images of the training set, for int8.
    """
    yield stored(folder, "float32", model, description, "float32")
    if kinds := set(quantised_layers(model).values()):
        yield stored(folder, kinds.pop(), model, description, "packed")
        return
    yield stored(folder, "bfloat16", model, description, "bfloat16")
    int8 = folder / "int8.onnx"
    export_int8(model, description, int8, calibration_images)
    yield Variant("int8", 0, int8)
    for name, changed, described in changes(model, description):
        storage: Storage = "packed" if name in BINARIES else "float32"
        yield stored(folder, name, changed, described, storage)
        if fine_tune is not None:
            tuned = fine_tune(changed, name)
            yield stored(folder, name, tuned, described, storage, epochs)


def changes(
    model: nn.Module, description: Description
) -> Iterator[tuple[str, nn.Module, Description]]:
    """The network with fewer frequencies and with binary weights."""
    for level in LEVELS:
        described = with_options(description, level=level, conv="harmonic")
        try:
            cut = described_network(described)
        except (ValueError, TypeError) as error:
            raise InputError(f"network {description.network}: level {level}: {error}") from None
        take_over(cut, settled(model))
        yield f"level {level}" if isinstance(level, int) else level, cut, described
    layers = str(description.options.get("binarize_layers", "inner"))
    for kind in BINARIES:
        described = with_options(description, binarize=kind, binarize_layers=layers)
        yield kind, binarize(model, kind, layers=layers), described


def with_options(
    description: Description, conv: str | None = None, **options: int | str
) -> Description:
    """Another network's description. A plain network made harmonic has no spectral batch norm."""
    changed: dict[str, int | float | str | None] = {**description.options, **options}
    if conv == "harmonic" and description.conv == "plain":
        changed["batch_norm"] = "none"
    return description.model_copy(
        update={"options": changed, "conv": conv or description.conv, "calibration": None}
    )


def stored(
    folder: Path,
    name: str,
    model: nn.Module,
    description: Description,
    storage: Storage,
    epochs: int = 0,
) -> Variant:
    path = folder / f"{name.replace(' ', '-')}-{epochs}.safetensors"
    save_stored(path, model, description, storage)
    return Variant(name, epochs, path)


def outputs(
    variant: Variant, pixels: NDArray[np.uint8], device: torch.device, view_count: int
) -> NDArray[np.float64]:
    """Logits (N, classes) of the network that is read back from the file."""
    if variant.path.suffix == ".onnx":
        predictor = OnnxPredictor(variant.path, threads=torch.get_num_threads(), views=view_count)
        parts = np.split(pixels, range(256, len(pixels), 256))
        return np.concatenate([predictor.logits(np.asarray(part)) for part in parts])
    model, description = load_model(variant.path)
    return predict_logits(
        plain(model).to(device), pixels, description.statistics(), device, view_count=view_count
    )


def parameters(variant: Variant, whole: nn.Module) -> int:
    """Numbers that training may set, stored with however few bits."""
    model = whole if variant.path.suffix == ".onnx" else load_model(variant.path)[0]
    return sum(values.numel() for values in model.parameters())


def multiply_adds(model: nn.Module, image_size: int) -> int:
    """Of convolutions and linear layers for one image, as the network is computed: folded."""
    counted: list[int] = []

    def count(module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        if isinstance(module, nn.Conv2d | nn.Linear):
            counted.append(module.weight[0].numel() * output[0].numel())

    folded = plain(model)
    for module in folded.modules():
        module.register_forward_hook(count)
    with torch.inference_mode():
        folded(torch.zeros(1, 3, image_size, image_size))
    return sum(counted)
