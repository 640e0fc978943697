"""Residual blocks of the ResNet family."""

import torch.nn.functional as F
from torch import Tensor, nn

from .convolutions import Convolutions


class BasicBlock(nn.Module):
    """Two 3 × 3 convolutions with batch norm around a shortcut (arXiv 1512.03385, fig. 5 left)."""

    expansion = 1

    def __init__(
        self, conv: Convolutions, stage: int, channels: int, width: int, stride: int
    ) -> None:
        super().__init__()
        self.conv1 = conv.in_stage(stage, channels, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv.in_stage(stage, width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = projection(channels, width, stride)

    def forward(self, input: Tensor) -> Tensor:
        hidden = F.relu(self.bn1(self.conv1(input)), inplace=True)
        return F.relu(self.bn2(self.conv2(hidden)) + self.shortcut(input), inplace=True)


class Bottleneck(nn.Module):
    """1 × 1, 3 × 3 and 1 × 1 convolution around a shortcut (arXiv 1512.03385, fig. 5 right)."""

    expansion = 4

    def __init__(
        self, conv: Convolutions, stage: int, channels: int, width: int, stride: int
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = conv.in_stage(stage, width, width, 3, stride=stride, padding=1, bias=False)
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
    return nn.Sequential(
        nn.Conv2d(channels, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
    )
