"""The state of a training run after an epoch, in one safetensors file: no pickle, written whole."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from harmonic.files import write_bytes

State = dict[str, Tensor]


@dataclass
class Progress:
    """What a run has reached: everything that the next epoch builds on, but for random numbers."""

    history: list[dict[str, Any]]
    """A record of each finished epoch."""
    best: State
    """The averaged weights of the epoch that validation chose so far; empty before the first."""
    best_epoch: int
    """1-based; 0 before the first."""


def save_checkpoint(
    path: Path,
    progress: Progress,
    model: nn.Module,
    average: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the state; a kill leaves the earlier one or this, never half of one."""
    parts = {"model": model.state_dict(), "average": average.state_dict(), "best": progress.best}
    for number, state in optimizer.state_dict()["state"].items():
        parts[f"optimizer.{number}"] = state
    tensors = {
        f"{part}.{name}": value.detach().clone().contiguous()
        for part, state in parts.items()
        for name, value in state.items()
    }
    record = {"history": progress.history, "best_epoch": progress.best_epoch}
    write_bytes(path, save(tensors, metadata={"progress": json.dumps(record)}))


def load_checkpoint(
    path: Path, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer
) -> Progress:
    """Restore the state that `save_checkpoint` wrote; an empty progress where there is none.

    The folder's name holds the digest of parameters, data and code, so what is found there belongs
    to this run; a file that cannot be read is left aside.
    """
    if not path.exists():
        return Progress([], {}, 0)
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads(file.metadata()["progress"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, KeyError, ValueError):
        return Progress([], {}, 0)
    model.load_state_dict(part_of(tensors, "model"))
    average.load_state_dict(part_of(tensors, "average"))
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    whole = optimizer.state_dict()
    whole["state"] = {
        number: {
            # Fused optimizers walk memory, so a moment must lie in memory as its parameter does.
            name: torch.empty_like(parameter).copy_(value) if value.shape else value
            for name, value in part_of(tensors, f"optimizer.{number}").items()
        }
        for number, parameter in enumerate(parameters)
    }
    optimizer.load_state_dict(whole)
    return Progress(record["history"], part_of(tensors, "best"), record["best_epoch"])


def part_of(tensors: State, part: str) -> State:
    start = f"{part}."
    return {name[len(start) :]: value for name, value in tensors.items() if name.startswith(start)}
