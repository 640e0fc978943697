"""A model in both formats, and a folder of photographs."""

from pathlib import Path

import numpy as np
import pytest
import torch

from harmonic.data.classes import CLASSES
from harmonic.deploy.export import export_onnx
from harmonic.images.decode import write_jpeg
from harmonic.model_file.description import Calibration, Description
from harmonic.model_file.safetensors_file import described_network, save_model

torch.set_num_threads(1)


def describe(**changes: object) -> Description:
    fields = {
        "network": "small",
        "conv": "harmonic",
        "options": {"width": 8, "batch_norm": "all"},
        "classes": list(CLASSES),
        "class_counts": [7, 40, 5, 3, 9, 2, 4],
        "imbalance": "logit_adjustment",
        "image_size": 32,
        "aspect": "squash",
        "hair_method": "directional",
        "mean": (0.7, 0.5, 0.5),
        "std": (0.1, 0.2, 0.2),
        "calibration": Calibration(views=8, temperature=0.8),
    }
    return Description(**(fields | changes))


def trained(description: Description) -> torch.nn.Module:
    """A network whose batch norm has seen images."""
    torch.manual_seed(0)
    model = described_network(description)
    with torch.no_grad():
        model.train()(torch.randn(16, 3, description.image_size, description.image_size))
    return model.eval()


def photograph(seed: int, height: int = 45, width: int = 60) -> np.ndarray:
    """Skin with a dark spot and a few hairs, as uint8 (H, W, 3)."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    spot = np.exp(-(((y - height / 2) / 9) ** 2 + ((x - width / 2) / (8 + seed % 7)) ** 2))
    image = np.array([220.0, 170, 160]) - spot[..., None] * np.array([90, 100, 80])
    image += random.normal(0, 3, image.shape)
    for column in random.integers(3, width - 3, size=seed % 3):
        image[:, column] *= 0.3
    return image.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    description = describe()
    model = trained(description)
    paths = {name: folder / f"model.{name}" for name in ("safetensors", "onnx")}
    save_model(paths["safetensors"], model.state_dict(), description)
    export_onnx(model, description, paths["onnx"], {"model_sha256": "0" * 64})
    return paths


@pytest.fixture(scope="session")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs")
    for number in range(5):
        write_jpeg(folder / f"ISIC_{number:07d}.jpg", photograph(number))
    return folder
