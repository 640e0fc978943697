"""A trained network in one file: weights and everything that is needed to use them.

The format is safetensors, which holds tensors and text and can run no code. The text is one JSON
record under one key, so the bytes of the file depend on weights and description alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from harmonic.errors import InputError, one_line
from harmonic.files import write_bytes
from harmonic.model_file.description import (
    KEY,
    Description,
    Storage,
    check_file,
    check_seal,
    read_description,
    sealed,
)
from harmonic.nn.networks import build_network
from harmonic.nn.packing import pack, unpack

SMALL = 10_000_000
"""Numbers that a network may have unasked: 40 MB."""


def described_network(description: Description) -> nn.Module:
    """The network that is described, with fresh weights."""
    options: dict[str, Any] = description.options
    classes = len(description.classes)
    return build_network(description.network, classes, description.conv, **options)


def save_model(path: Path, state: Mapping[str, Tensor], description: Description) -> None:
    """Write weights and description, whole; the same content gives the same bytes."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in sorted(state.items())}
    write_bytes(path, sealed(save(tensors, metadata={KEY: description.record()})))


def save_stored(path: Path, model: nn.Module, description: Description, storage: Storage) -> None:
    """Write a model in a smaller form: "bfloat16" halves the bytes, and loses digits; "packed"
    holds signs of eight weights in a byte, or five of three values, and loses nothing.

    Raises ValueError for "packed" where the network is not binarised.
    """
    state: Mapping[str, Tensor] = model.state_dict()
    if storage == "packed":
        state = pack(model)
    elif storage == "bfloat16":
        state = {
            name: value.bfloat16() if value.is_floating_point() else value
            for name, value in state.items()
        }
    save_model(path, state, description.model_copy(update={"storage": storage}))


def load_model(path: Path) -> tuple[nn.Module, Description]:
    """Read a model file; the network comes back in eval mode on the CPU, in float32.

    Raises InputError with one line where the file is missing, too large, no safetensors file, says
    too little or something odd about its network, its weights do not fit the network it names,
    or it was changed since it was written.
    """
    check_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(KEY)
            tensors: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"model {path}: no whole safetensors file ({one_line(error)})") from None
    description = read_description(text, str(path))
    try:
        check_seal(path.read_bytes(), description.sha256)
        check_size(description, tensors)
        model = described_network(description)
        if description.storage == "packed":
            model = unpack(model, tensors)
        else:
            check_types(description, model.state_dict(), tensors)
            model.load_state_dict(tensors)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"model {path}: {one_line(error)}") from None
    return model.eval(), description


def check_size(description: Description, tensors: Mapping[str, Tensor]) -> None:
    """Raises ValueError where the network has far more numbers than the file: a description of a
    few bytes must not fill the memory before its weights are found missing."""
    with torch.device("meta"):
        described = described_network(description)
    needed = sum(value.numel() for value in described.state_dict().values())
    there = sum(value.numel() for value in tensors.values())
    most = 8 * there if description.storage == "packed" else there
    if needed > 2 * most + SMALL:
        raise ValueError(f"its network has {needed} numbers, the file {there}")


def check_types(
    description: Description, state: Mapping[str, Tensor], tensors: Mapping[str, Tensor]
) -> None:
    """Raises ValueError where a tensor is of another type than its storage says: `load_state_dict`
    would cast it in silence."""
    for name in sorted(state.keys() & tensors.keys()):
        needed = state[name].dtype
        if description.storage == "bfloat16" and needed.is_floating_point:
            needed = torch.bfloat16
        if tensors[name].dtype != needed:
            raise ValueError(f"weights {name} are {tensors[name].dtype}; {needed} is needed")
