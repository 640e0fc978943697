"""ResNet-18, -34 and -50 for images of about 224 × 224."""

from collections.abc import Callable

from torch import Tensor, nn

from .blocks import BasicBlock, Bottleneck
from .convolutions import Convolutions, Level, convolutions, initialise

Block = Callable[[Convolutions, int, int, int, int], nn.Module]
LAYOUTS: dict[int, tuple[Block, int, tuple[int, ...]]] = {
    18: (BasicBlock, BasicBlock.expansion, (2, 2, 2, 2)),
    34: (BasicBlock, BasicBlock.expansion, (3, 4, 6, 3)),
    50: (Bottleneck, Bottleneck.expansion, (3, 4, 6, 3)),
}
"""Depth: block, channels out of a block over its width, blocks in each stage."""


class ResNet(nn.Module):
    """(N, 3, H, W) to logits (N, num_classes); He et al., arXiv 1512.03385, table 1.

    The stride of a bottleneck is in its 3 × 3 convolution, as is usual by now.
    """

    def __init__(self, conv: Convolutions, num_classes: int, depth: int) -> None:
        super().__init__()
        make_block, expansion, layout = LAYOUTS[depth]
        self.root = nn.Sequential(
            conv.root(3, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(inplace=True),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        blocks: list[nn.Module] = []
        channels = 64
        for stage, count in enumerate(layout):
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(make_block(conv, stage, channels, 64 << stage, stride))
                channels = (64 << stage) * expansion
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(channels, num_classes)
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.blocks(self.root(images)).mean(dim=(2, 3)))


def resnet(
    depth: int,
    num_classes: int,
    conv: str,
    *,
    level: Level = None,
    norm: str = "ortho",
    batch_norm: str = "first",
) -> ResNet:
    """ResNet of depth 18, 34 or 50; "progressive" levels are full, full, 3, 2 by stage.

    As in arXiv 2001.06570 the 7 × 7 root normalises its responses and keeps all frequencies, and
    1 × 1 convolutions stay what they are.
    """
    if depth not in LAYOUTS:
        raise ValueError(
            f"name='resnet-{depth}': depth={depth} must be one of {', '.join(map(str, LAYOUTS))}"
        )
    stages = len(LAYOUTS[depth][2])
    return ResNet(convolutions(conv, stages, level, norm, batch_norm), num_classes, depth)
