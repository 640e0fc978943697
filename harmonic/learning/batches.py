"""Images on the device, from uint8 to normalised batches, and a network's answers for them."""

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from harmonic.learning.device import memory_format_for
from harmonic.model_file.description import ChannelStatistics

PREDICTED = 256
"""Images a batch where nothing is learnt."""


def channel_statistics(images: np.ndarray) -> ChannelStatistics:
    """Of uint8 images (N, H, W, 3); computed from counts of values, so exact and in any order."""
    mean, std = [], []
    values = np.arange(256) / 255
    for channel in range(3):
        counts = np.bincount(images[..., channel].reshape(-1), minlength=256)
        centre = float(counts @ values / counts.sum())
        mean.append(round(centre, 6))
        std.append(round(float(np.sqrt(counts @ (values - centre) ** 2 / counts.sum())), 6))
    return ChannelStatistics((mean[0], mean[1], mean[2]), (std[0], std[1], std[2]))


def as_images(pixels: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) to float32 (B, 3, H, W) in [0, 1], channels last in memory."""
    return pixels.permute(0, 3, 1, 2).float().div(255)


def normaliser(
    model: nn.Module, statistics: ChannelStatistics, device: torch.device
) -> Callable[[Tensor], Tensor]:
    """What gives images (B, 3, H, W) zero mean and unit deviation a channel, as in training.

    The results lie in memory as the model wants them; see `memory_format_for`.
    """
    mean = torch.tensor(statistics.mean, device=device).view(1, 3, 1, 1)
    std = torch.tensor(statistics.std, device=device).view(1, 3, 1, 1).clamp(min=1e-3)
    memory_format = memory_format_for(model, device)
    return lambda images: ((images - mean) / std).contiguous(memory_format=memory_format)


def batches(
    count: int, size: int, random: torch.Generator, odds: Tensor | None = None
) -> Iterator[Tensor]:
    """Row numbers 0 … count−1 in random order, `size` at a time.

    With `odds` (count,) as many rows are drawn with replacement, each as likely as its odds say.
    A last batch of one would break batch norm; it is left for another epoch.
    """
    if odds is None:
        order = torch.randperm(count, generator=random)
    else:
        order = torch.multinomial(odds, count, replacement=True, generator=random)
    for rows in order.split(size):
        if len(rows) > 1:
            yield rows


def views(images: Tensor, count: int) -> list[Tensor]:
    """The image as it is (count = 1) or all eight flips and quarter turns (count = 8)."""
    if count == 1:
        return [images]
    turned = [torch.rot90(images, quarter, dims=(2, 3)) for quarter in range(4)]
    return turned + [turn.flip(3) for turn in turned]


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    pixels: np.ndarray,
    statistics: ChannelStatistics,
    device: torch.device,
    *,
    view_count: int,
    progress: str = "",
) -> np.ndarray:
    """Logits of uint8 images (N, H, W, 3), averaged over the views; float64 (N, classes).

    The model is put in eval mode. `progress` is the title of a progress bar; none without.
    """
    model.eval()
    normalise = normaliser(model, statistics, device)
    found = []
    starts = range(0, len(pixels), PREDICTED)
    for start in tqdm(starts, desc=progress, unit="batch", disable=None if progress else True):
        batch = torch.from_numpy(np.array(pixels[start : start + PREDICTED])).to(device)
        images = normalise(as_images(batch))
        logits = [model(view).double() for view in views(images, view_count)]
        found.append(torch.stack(logits).mean(dim=0).cpu())
    return torch.cat(found).numpy()
