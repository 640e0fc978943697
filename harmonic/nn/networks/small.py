"""The pipeline's default: a small residual network for small images."""

from torch import Tensor, nn

from ..checks import integer, probability
from .blocks import BasicBlock
from .convolutions import Convolutions, Level, convolutions, initialise

STAGES = 3


class SmallResNet(nn.Module):
    """(N, 3, H, W), sides of 28 pixels or more, to logits (N, num_classes).

    Stem of stride 2, three stages of residual blocks (He et al. 2015, arXiv 1512.03385) with
    width, 2·width and 4·width channels at 1/2, 1/4 and 1/8 of the input's size, mean over
    positions, dropout, one linear layer.
    """

    def __init__(
        self, conv: Convolutions, num_classes: int, width: int, blocks: int, dropout: float
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            conv.root(3, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        stages: list[nn.Module] = []
        channels = width
        for stage in range(STAGES):
            for block in range(blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                stages.append(BasicBlock(conv, stage, channels, width << stage, stride))
                channels = width << stage
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(channels, num_classes),
        )
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(images)))


def small(
    num_classes: int,
    conv: str,
    *,
    level: Level = None,
    norm: str = "ortho",
    batch_norm: str = "none",
    width: int = 32,
    blocks: int = 1,
    dropout: float = 0.0,
) -> SmallResNet:
    """`width` channels in the first stage, `blocks` residual blocks in each of three stages."""
    return SmallResNet(
        convolutions(conv, STAGES, level, norm, batch_norm),
        num_classes,
        integer("width", width, least=1),
        integer("blocks", blocks, least=1),
        probability("dropout", dropout),
    )
