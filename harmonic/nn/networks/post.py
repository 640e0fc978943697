"""The network of the 2019 blog post on harmonic networks, with the transform done per channel."""

from torch import Tensor, nn

from ..checks import integer, probability
from .convolutions import Convolutions, initialise

LAYERS = (
    (32, 4, 1, 0),
    (32, 3, 2, 1),
    (64, 3, 1, 1),
    (64, 3, 2, 2),
    (128, 3, 1, 2),
    (128, 3, 1, 2),
)
"""Width, kernel size, stride and stage of each convolution after the first (3 channels, 4 × 4)."""


class PostNetwork(nn.Module):
    """(N, 3, image_size, image_size) to logits (N, num_classes).

    Seven convolutions of widths 3, 32, 32, 64, 64, 128, 128, each with ReLU, and three linear
    layers of 1024, 128 and num_classes with dropout between them. The post's own layer sums the
    input channels before the transform; here every channel is transformed, as in the papers.
    image_size: side of the square images, 64 in the post.
    """

    def __init__(
        self, conv: Convolutions, num_classes: int, *, image_size: int = 64, dropout: float = 0.5
    ) -> None:
        super().__init__()
        image_size = integer("image_size", image_size, least=8)
        dropout = probability("dropout", dropout)
        layers: list[nn.Module] = [conv.root(3, 3, 4, padding=1), nn.ReLU(inplace=True)]
        channels, size = 3, image_size - 1
        for width, kernel, stride, stage in LAYERS:
            layers.append(conv.in_stage(stage, channels, width, kernel, stride=stride, padding=1))
            layers.append(nn.ReLU(inplace=True))
            channels, size = width, (size + 2 - kernel) // stride + 1
        layers.append(nn.MaxPool2d(3, stride=2, padding=1))
        size = (size - 1) // 2 + 1
        self.features = nn.Sequential(*layers)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Linear(channels * size * size, 1024),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(1024, 128),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(128, num_classes),
        )
        initialise(self)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images))
