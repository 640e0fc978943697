"""Wide residual networks as in the harmonic-network papers, for images of about 32 × 32."""

from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from ..checks import integer, probability
from .convolutions import Convolutions, initialise
from .resnet import Make, in_stages


class WideBlock(nn.Module):
    """Pre-activation block: batch norm, ReLU and 3 × 3 convolution, twice, beside a shortcut."""

    def __init__(self, conv: Make, channels: int, width: int, stride: int, dropout: float) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = conv(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = conv(width, width, 3, padding=1, bias=False)
        same = channels == width
        self.shortcut = None if same else nn.Conv2d(channels, width, 1, stride, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        active = F.relu(self.bn1(input))
        shortcut = input if self.shortcut is None else self.shortcut(active)
        hidden = self.dropout(F.relu(self.bn2(self.conv1(active))))
        return self.conv2(hidden) + shortcut


class WideResNet(nn.Module):
    """(N, 3, H, W) to logits (N, num_classes); Zagoruyko and Komodakis, arXiv 1605.07146.

    WRN-depth-width: depth 6 n + 4, n blocks in each of three stages of 16, 32, 64 · width. In the
    papers' arrangement (arXiv 2001.06570, section 4) the root normalises its responses and keeps
    all frequencies; `level` is the blocks' λ.
    """

    def __init__(
        self, conv: Convolutions, num_classes: int, depth: int, width: int, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        name = f"wrn-{depth}-{width}"
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"{name=}: {depth=} must be 10, 16, 22, 28, …")
        width = 16 * integer(f"{name=}: width", width, least=1)
        block = partial(WideBlock, dropout=probability("dropout", dropout))
        self.root = conv.root(3, 16, 3, padding=1, bias=False)
        self.blocks, channels = in_stages(block, conv, 16, width, ((depth - 4) // 6,) * 3)
        self.bn = nn.BatchNorm2d(channels)
        self.head = nn.Linear(channels, num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        features = F.relu(self.bn(self.blocks(self.root(images))))
        return self.head(features.mean(dim=(2, 3)))
