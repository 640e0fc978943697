"""Harmonic layers, their surgery and networks; imports torch and nothing else."""

from .conv import HarmonicConv2d
from .filters import filter_bank
from .networks import build_network
from .surgery import fold, harmonize, left_alone, truncate

__all__ = [
    "HarmonicConv2d",
    "build_network",
    "filter_bank",
    "fold",
    "harmonize",
    "left_alone",
    "truncate",
]
