"""What autocast does to a computation, for code that must know or prevent it."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Keeps operations in the dtype of their inputs; nothing to do on devices without autocast."""
    if not torch.amp.is_autocast_available(device.type):
        return nullcontext()
    return torch.autocast(device.type, enabled=False)


def computing_dtype(tensor: Tensor) -> torch.dtype:
    """The dtype in which a convolution here and now takes the tensor: autocast's, or its own."""
    kind = tensor.device.type
    if not torch.amp.is_autocast_available(kind) or not torch.is_autocast_enabled(kind):
        return tensor.dtype
    casts = tensor.is_floating_point() and tensor.dtype != torch.float64
    return torch.get_autocast_dtype(kind) if casts else tensor.dtype


def summing_dtype(tensor: Tensor) -> torch.dtype:
    """float32 for half types, else the tensor's own."""
    return torch.promote_types(tensor.dtype, torch.float32)
