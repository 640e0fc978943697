"""The pipeline's default: a small residual network for small images."""

from torch import Tensor, nn

from ..checks import integer, probability
from .convolutions import Convolutions, initialise
from .resnet import BasicBlock, in_stages


class SmallResNet(nn.Module):
    """(N, 3, H, W), sides of 28 pixels or more, to logits (N, num_classes).

    Stem of stride 2, three stages of residual blocks (He et al. 2015, arXiv 1512.03385) with
    width, 2·width and 4·width channels at 1/2, 1/4 and 1/8 of the input's size, mean over
    positions, dropout, one linear layer.

    width: channels in the first stage. blocks: residual blocks in each stage.
    """

    def __init__(
        self,
        conv: Convolutions,
        num_classes: int,
        *,
        width: int = 32,
        blocks: int = 1,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        width, blocks = integer("width", width, least=1), integer("blocks", blocks, least=1)
        self.stem = nn.Sequential(
            conv.root(3, width, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )
        self.stages, channels = in_stages(BasicBlock, conv, width, width, (blocks,) * 3)
        self.head = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(probability("dropout", dropout)),
            nn.Linear(channels, num_classes),
        )
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.stages(self.stem(images)))
