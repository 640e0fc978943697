"""ResNet-18, -34 and -50 for images of about 224 × 224."""

from torch import Tensor, nn

from .blocks import BasicBlock, Block, Bottleneck, in_stages
from .convolutions import Convolutions, initialise

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
