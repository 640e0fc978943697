"""Batch norm of filter responses in training: their statistics without making the responses.

From the moments of the images' patches come mean and variance of every response, and with them one
kernel that does what transform, batch norm and combination do. Nothing here knows a layer.
"""

from .normalised import CombineStatistics, convolve_normalised, response_maps, use_moments

__all__ = ["CombineStatistics", "convolve_normalised", "response_maps", "use_moments"]
