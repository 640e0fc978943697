"""Exact mode: the same bits from any x86-64 processor, whatever its vectors and number of cores.

Libraries order sums of floating-point numbers, on which their last bits depend, by the width of the
processor's vectors and the number of threads. The variables below make them use one thread and the
instructions that every processor of the last fifteen years has.
"""

import os
import sys

from harmonic.errors import InputError
from stages.harness.params import Params

VARIABLES = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "ATEN_CPU_CAPABILITY": "default",  # PyTorch's own kernels
    "MKL_CBWR": "COMPATIBLE",  # matrix products in PyTorch
    "ONEDNN_MAX_CPU_ISA": "SSE41",  # convolutions in PyTorch
    "OPENBLAS_CORETYPE": "Nehalem",  # matrix products in NumPy and SciPy
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4",  # exp and sin in NumPy
}
"""What libraries read from the environment, and the value that makes them compute alike."""

LIBRARIES = ("numpy", "torch")
STAGES = ("find_lr", "train", "evaluate", "compress", "report")
"""Those that compute in floating point; the others compute alike everywhere without it."""


def is_exact(params: Params) -> bool:
    """Whether `exact` asks for exact mode; `auto` does for the sample, unless it is to use CUDA."""
    if params.exact == "auto":
        return params.source == "sample" and params.device in ("auto", "cpu")
    return params.exact


def device_of(params: Params) -> str:
    """The device to compute on; in exact mode the CPU, whatever `auto` would find."""
    return "cpu" if is_exact(params) else params.device


def compute_exactly(stage: str, params: Params) -> None:
    """Set up exact mode where it is asked for; InputError where a library is loaded already."""
    if stage not in STAGES or not is_exact(params):
        return
    os.environ.pop("NPY_ENABLE_CPU_FEATURES", None)  # NumPy would refuse to load with both
    loaded = [name for name in LIBRARIES if name in sys.modules]
    for name, value in VARIABLES.items():
        if loaded and os.environ.get(name) != value:
            raise InputError(
                f"exact mode comes too late, as {' and '.join(loaded)} is loaded already; "
                f"set {name}={value!r} in the environment, or exact: false in params.yaml"
            )
        os.environ[name] = value
