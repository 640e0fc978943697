"""torch.compile where there is a compiler."""

import sys

import torch
from torch import nn

from harmonic.learning.layout import memory_format_for


def compile_in_place(model: nn.Module, device: torch.device) -> None:
    """Let training calls of the model run compiled; one line on stderr where that cannot be.

    Its parameters, names and results are as before, the latter up to rounding; so is the layout in
    memory, where the compiler would choose channels last for every network on a CPU.
    """
    reason = obstacle(device)
    if reason is None:
        narrow = memory_format_for(model, device) != torch.channels_last
        model.compile(options={"layout_optimization": False} if narrow else None)
    else:
        print(f"train.compile: going on without, as {reason}", file=sys.stderr)


def obstacle(device: torch.device) -> str | None:
    """Why nothing can be compiled for the device here; None where it can.

    Found out by compiling a small function, as what is needed (a C++ compiler, Triton, Python's
    headers) differs between devices and versions.
    """
    try:
        torch.compile(lambda values: values.sin() + 1)(torch.ones(4, device=device))
    except RuntimeError as error:  # what torch.compile raises derives from it
        lines = str(error).strip().splitlines()
        return f"the compiler failed: {lines[0] if lines else type(error).__name__}"
    return None
