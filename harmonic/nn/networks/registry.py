"""Networks by name."""

import re
from collections.abc import Callable
from typing import Any

from torch import nn

from ..binary import binarize as with_binary_weights
from ..checks import integer, one_of
from .convolutions import KINDS
from .post import post
from .resnet import resnet
from .small import small
from .wide_resnet import wide_resnet


def build_network(
    name: str,
    num_classes: int = 7,
    conv: str = "harmonic",
    *,
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
    options: `level` (λ: an integer, None, "progressive", or one value a stage), `norm` and
        `batch_norm` ("none", "first", "all"), which mean nothing to plain convolutions; `dropout`
        (all but the ResNets); `width` and `blocks` (small); `image_size` (post).

    Raises ValueError for an unknown name or value, TypeError for an option the network has not.
    """
    integer("num_classes", num_classes, least=1)
    one_of("conv", conv, KINDS)
    for pattern, build in NETWORKS.items():
        match = re.fullmatch(pattern, name) if isinstance(name, str) else None
        if match:
            network = build(*map(int, match.groups()), num_classes, conv, **options)
            return with_binary_weights(network, binarize, layers=binarize_layers)
    raise ValueError(
        f"name={name!r} is unknown: choose small, post, wrn-<depth>-<width>, "
        "resnet-18, resnet-34 or resnet-50"
    )


NETWORKS: dict[str, Callable[..., nn.Module]] = {
    r"small": small,
    r"post": post,
    r"wrn-(\d+)-(\d+)": wide_resnet,
    r"resnet-(\d+)": resnet,
}
