"""Networks by name."""

import re
from collections.abc import Callable
from typing import Any

from torch import nn

from ..binary import binarize as with_binary_weights
from ..checks import integer
from .convolutions import Level, convolutions
from .post import PostNetwork
from .resnet import ResNet
from .small import SmallResNet
from .wide_resnet import WideResNet

NETWORKS: dict[str, tuple[Callable[..., nn.Module], int, str]] = {
    r"small": (SmallResNet, 3, "none"),
    r"post": (PostNetwork, 3, "all"),
    r"wrn-(\d+)-(\d+)": (WideResNet, 3, "first"),
    r"resnet-(\d+)": (ResNet, 4, "first"),
}
"""Name (numbers go to the network): network, stages that have a level each, usual batch norm."""


def build_network(
    name: str,
    num_classes: int = 7,
    conv: str = "harmonic",
    *,
    level: Level = None,
    norm: str = "ortho",
    transform: str = "dct2",
    binarize: str = "none",
    binarize_layers: str = "inner",
    **options: Any,
) -> nn.Module:
    """A freshly initialised network from (N, 3, H, W) images to (N, num_classes) logits.

    name: "small" (the pipeline's), "post" (the blog post's), "wrn-<depth>-<width>" of any depth
        6 n + 4, "resnet-18", "resnet-34" or "resnet-50".
    conv: "harmonic", or "plain" for nn.Conv2d in a network of the same shape. With all levels and
        an orthogonal bank the same seed gives both kinds the same initial kernels.
    binarize, binarize_layers: "none", or weights of two or three values, trained straight through,
        as `harmonic.nn.binary.binarize` makes them.
    level: see `convolutions`; norm, transform: see `filter_bank`; batch_norm: "none", "first" or
        "all", usually as in NETWORKS. They mean nothing to plain convolutions.
    options: `dropout` (all but the ResNets); `width` and `blocks` (small); `image_size` (post).

    Raises ValueError for an unknown name or value, TypeError for an option the network has not.
    """
    integer("num_classes", num_classes, least=1)
    for pattern, (network, stages, batch_norm) in NETWORKS.items():
        match = re.fullmatch(pattern, name) if isinstance(name, str) else None
        if match:
            batch_norm = options.pop("batch_norm", batch_norm)
            used = convolutions(conv, stages, level, norm, transform, batch_norm)
            made = network(used, num_classes, *map(int, match.groups()), **options)
            return with_binary_weights(made, binarize, layers=binarize_layers)
    raise ValueError(
        f"name={name!r} is unknown: choose small, post, wrn-<depth>-<width>, "
        "resnet-18, resnet-34 or resnet-50"
    )
