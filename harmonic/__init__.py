"""Harmonic networks: convolutions as learned combinations of fixed DCT filters.

The names below load on first use, so that `import harmonic` alone does not import torch.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .deploy.hub import TrainedNetwork
    from .nn import HarmonicConv2d, build_network, filter_bank, fold, harmonize, truncate

__version__ = "0.1.0"
__all__ = [
    "HarmonicConv2d",
    "TrainedNetwork",
    "build_network",
    "filter_bank",
    "fold",
    "harmonize",
    "left_alone",
    "truncate",
]


def __getattr__(name: str) -> Any:
    if name == "TrainedNetwork":  # needs huggingface_hub
        from .deploy import hub

        return hub.TrainedNetwork
    if name in __all__:
        from . import nn

        return getattr(nn, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
