"""A tiny data set that can be learnt in seconds: seven colours."""

import numpy as np
import pytest
import torch

from harmonic.data.arrays import LabelledImages
from harmonic.learning.settings import Recipe, Schedule

torch.set_num_threads(1)  # these networks are too small to gain from more

RECIPE = Recipe(
    seed=0,
    batch_size=16,
    precision="auto",
    optimizer="adam",
    weight_decay=1e-4,
    clip=5.0,
    imbalance="logit_adjustment",
    focal_gamma=2.0,
    label_smoothing=0.0,
    zoom=0.1,
    shift=0.05,
    colour=0.05,
    erasing=0.0,
    mixup=0.0,
    cutmix=0.0,
    compile=False,
)
SCHEDULE = Schedule(epochs=4, lr=0.003, warmup=0.1, ema=0.9, schedule="cosine")


def coloured(count: int, seed: int, part: str) -> LabelledImages:
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 7
    colours = np.random.default_rng(1).integers(60, 200, size=(7, 3))
    images = colours[labels][:, None, None, :] + random.normal(0, 20, size=(count, 28, 28, 3))
    return LabelledImages(
        image_ids=np.array([f"ISIC_{number:07d}" for number in range(count)]),
        images=images.clip(0, 255).astype(np.uint8),
        labels=labels.astype(np.int64),
        groups=np.array([f"HAM_{number:07d}" for number in range(count)]),
        sets=np.array([part] * count),
    )


@pytest.fixture(scope="session")
def training() -> LabelledImages:
    return coloured(84, 0, "train")


@pytest.fixture(scope="session")
def validation() -> LabelledImages:
    return coloured(42, 1, "val")


@pytest.fixture
def recipe() -> Recipe:
    return RECIPE


@pytest.fixture
def schedule() -> Schedule:
    return SCHEDULE
