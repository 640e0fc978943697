"""Networks by name, each with plain or harmonic convolutions of one shape."""

from .registry import build_network

__all__ = ["build_network"]
