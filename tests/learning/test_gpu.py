"""Training on a GPU: it learns in bfloat16, and memory that runs out is said in one line."""

from pathlib import Path

import pytest
import torch

from harmonic.data.arrays import LabelledImages
from harmonic.learning.batches import channel_statistics
from harmonic.learning.loop import train
from harmonic.learning.memory import out_of_memory_line, peak_memory
from harmonic.learning.processes import alone
from harmonic.learning.settings import Recipe, Schedule
from harmonic.nn.networks import build_network

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_training_on_a_gpu_learns(
    training: LabelledImages,
    validation: LabelledImages,
    recipe: Recipe,
    schedule: Schedule,
    tmp_path: Path,
    precision: str,
) -> None:
    device = torch.device("cuda")
    torch.manual_seed(0)
    trained = train(
        build_network("small", width=8),
        training,
        validation,
        channel_statistics(training.images),
        recipe.model_copy(update={"precision": precision}),
        schedule.model_copy(update={"epochs": 8}),
        alone(device),
        tmp_path / "checkpoint",
    )
    assert max(record["val_balanced_accuracy"] for record in trained.history) > 0.5
    assert {value.device.type for value in trained.state.values()} == {"cpu"}
    assert peak_memory(device) > 2**20


def test_what_would_fit_is_estimated_on_a_gpu() -> None:
    line = out_of_memory_line(build_network("small"), 10**6, 64, "auto", torch.device("cuda"))
    assert line.startswith("out of memory on cuda at batch_size 1000000")
    assert "images a step would fit" in line
