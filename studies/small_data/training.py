"""GEM's recipe, short enough to read: SGD with momentum, cosine to zero, crops and flips.

One budget of steps for every size of training set, so that fewer images never mean less training.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor, nn
from torch.nn import functional

from harmonic.learning.batches import (
    as_images,
    batches,
    channel_statistics,
    normalised,
    predict_logits,
)
from harmonic.learning.device import memory_format_for
from harmonic.learning.randomness import generator

SMALLEST_CROP = 0.4
"""Share of the area; the aspect is 3/4 to 4/3. Both as in GEM's RandomResizedCrop."""


@dataclass(frozen=True)
class Budget:
    """What every arm gets alike."""

    steps: int
    batch_size: int
    lr: float
    weight_decay: float


def cropped(images: Tensor, random: torch.Generator) -> Tensor:
    """A random crop of each image at the full size, flipped at random both ways.

    images: float (B, 3, H, W) in [0, 1].
    """
    count = len(images)
    draws = torch.rand(6, count, generator=random)
    area = SMALLEST_CROP + (1 - SMALLEST_CROP) * draws[0]
    aspect = torch.exp((2 * draws[1] - 1) * math.log(4 / 3))
    width = (area * aspect).sqrt().clamp(max=1)
    height = (area / aspect).sqrt().clamp(max=1)
    flip_x, flip_y = ((draws[2:4] < 0.5).float() * 2 - 1).unbind()
    # affine_grid counts in half image sides: a crop may move by what it leaves free.
    shift_x, shift_y = (2 * draws[4] - 1) * (1 - width), (2 * draws[5] - 1) * (1 - height)
    none = torch.zeros(count)
    matrices = torch.stack(
        [
            torch.stack([flip_x * width, none, shift_x], dim=1),
            torch.stack([none, flip_y * height, shift_y], dim=1),
        ],
        dim=1,
    ).to(images.device)
    grid = functional.affine_grid(matrices, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def trained(
    model: nn.Module,
    images: np.ndarray,
    labels: np.ndarray,
    budget: Budget,
    seed: int,
    device: torch.device,
) -> nn.Module:
    """The model after `budget.steps` steps; images uint8 (N, H, W, 3), labels (N,)."""
    statistics = channel_statistics(images)
    pixels, targets = torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)
    layout = memory_format_for(model, device)
    model = model.to(device, memory_format=layout).train()  # type: ignore[call-overload]
    optimizer = torch.optim.SGD(
        model.parameters(), lr=budget.lr, momentum=0.9, weight_decay=budget.weight_decay
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, budget.steps)
    step, epoch = 0, 0
    while step < budget.steps:
        random = generator(seed, epoch)
        for rows in batches(len(labels), budget.batch_size, random):
            if step == budget.steps:
                break
            here = rows.to(device)
            batch = normalised(cropped(as_images(pixels[here]), random), statistics, layout)
            with torch.autocast(device.type, torch.bfloat16):
                logits = model(batch)
            loss = functional.cross_entropy(logits.float(), targets[here])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            step += 1
        epoch += 1
    return model


def answers(
    model: nn.Module, training: np.ndarray, images: np.ndarray, device: torch.device
) -> np.ndarray:
    """The model's class for each image, one view, normalised as its training images were."""
    statistics = channel_statistics(training)
    logits = predict_logits(model, images, statistics, device, view_count=1)
    found: np.ndarray = logits.argmax(axis=1)
    return found


def balanced_accuracy(labels: np.ndarray, found: np.ndarray) -> float:
    return round(float(balanced_accuracy_score(labels, found)), 5)
