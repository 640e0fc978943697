"""Residual blocks, and ResNet-18, -34 and -50 of them for images of about 224 × 224."""

from collections.abc import Callable, Sequence
from functools import partial

import torch.nn.functional as F
from torch import Tensor, nn

from .convolutions import Convolutions, initialise

Make = Callable[..., nn.Module]
"""Makes a convolution of nn.Conv2d's arguments, plain or harmonic with its stage's level."""
Block = Callable[[Make, int, int, int], nn.Module]
"""Of the convolutions to use, channels in, width and stride."""


def in_stages(
    block: Block,
    conv: Convolutions,
    channels: int,
    width: int,
    counts: Sequence[int],
    expansion: int = 1,
) -> tuple[nn.Sequential, int]:
    """Blocks of all stages in a row, and the channels they end with.

    Every stage has twice the width of the one before and half its height and width of maps.
    counts: blocks in each stage; expansion: channels out of a block over its width.
    """
    blocks = []
    for stage, count in enumerate(counts):
        make = partial(conv.in_stage, stage)
        for number in range(count):
            stride = 2 if stage > 0 and number == 0 else 1
            blocks.append(block(make, channels, width << stage, stride))
            channels = (width << stage) * expansion
    return nn.Sequential(*blocks), channels


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions with batch norm around a shortcut (arXiv 1512.03385, fig. 5 left)."""

    expansion = 1

    def __init__(self, conv: Make, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = conv(channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = projection(channels, width, stride)

    def forward(self, input: Tensor) -> Tensor:
        hidden = F.relu(self.bn1(self.conv1(input)), inplace=True)
        return F.relu(self.bn2(self.conv2(hidden)) + self.shortcut(input), inplace=True)


class Bottleneck(nn.Module):
    """1 × 1, 3 × 3 and 1 × 1 convolution around a shortcut (arXiv 1512.03385, fig. 5 right)."""

    expansion = 4

    def __init__(self, conv: Make, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, width * self.expansion, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(width * self.expansion)
        self.shortcut = projection(channels, width * self.expansion, stride)

    def forward(self, input: Tensor) -> Tensor:
        hidden = F.relu(self.bn1(self.conv1(input)), inplace=True)
        hidden = F.relu(self.bn2(self.conv2(hidden)), inplace=True)
        return F.relu(self.bn3(self.conv3(hidden)) + self.shortcut(input), inplace=True)


def projection(channels: int, width: int, stride: int) -> nn.Module:
    """The shortcut: nothing where shapes agree, else a 1 × 1 convolution with batch norm."""
    if channels == width and stride == 1:
        return nn.Identity()
    conv = nn.Conv2d(channels, width, 1, stride=stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(width))


LAYOUTS: dict[int, tuple[Block, int, tuple[int, ...]]] = {
    18: (BasicBlock, BasicBlock.expansion, (2, 2, 2, 2)),
    34: (BasicBlock, BasicBlock.expansion, (3, 4, 6, 3)),
    50: (Bottleneck, Bottleneck.expansion, (3, 4, 6, 3)),
}
"""Depth: block, channels out of a block over its width, blocks in each stage."""


class ResNet(nn.Module):
    """(N, 3, H, W) to logits (N, num_classes); He et al., arXiv 1512.03385, table 1.

    The stride of a bottleneck is in its 3 × 3 convolution, as is usual by now. As in arXiv
    2001.06570 the 7 × 7 root keeps all frequencies (and normalises its responses, by default), and
    1 × 1 convolutions stay what they are.
    """

    def __init__(self, conv: Convolutions, num_classes: int, depth: int) -> None:
        super().__init__()
        if depth not in LAYOUTS:
            depths = ", ".join(map(str, LAYOUTS))
            raise ValueError(f"name='resnet-{depth}': {depth=} must be one of {depths}")
        make_block, expansion, layout = LAYOUTS[depth]
        self.root = nn.Sequential(
            conv.root(3, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        self.blocks, channels = in_stages(make_block, conv, 64, 64, layout, expansion)
        self.head = nn.Linear(channels, num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(self.root(images)).mean(dim=(2, 3)))
