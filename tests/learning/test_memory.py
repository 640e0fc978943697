"""Too little memory is said in one line with a batch size that would fit, which then does fit."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from harmonic.data.arrays import LabelledImages
from harmonic.learning.memory import bytes_an_image, is_out_of_memory, peak_memory
from harmonic.learning.settings import Recipe
from harmonic.learning.training_set import first_batch
from harmonic.nn.networks import build_network

CPU = torch.device("cpu")

PROGRAM = """
import resource, sys
from pathlib import Path
import torch
from tests.learning.conftest import RECIPE, SCHEDULE, coloured
from harmonic.errors import InputError
from harmonic.learning.batches import channel_statistics
from harmonic.learning.loop import train
from harmonic.learning.processes import alone
from harmonic.nn.networks import build_network
images = coloured(700, 0, "train")
statistics = channel_statistics(images.images)
page = resource.getpagesize()
taken = int(Path("/proc/self/statm").read_text().split()[0]) * page
resource.setrlimit(resource.RLIMIT_AS, (taken + 150 * 2**20,) * 2)
once = SCHEDULE.model_copy(update={"epochs": 1})
settings = RECIPE.model_copy(update={"batch_size": int(sys.argv[1])})
try:
    train(build_network("small", width=16), images, coloured(42, 1, "val"), statistics, settings,
          once, alone(torch.device("cpu")), Path(sys.argv[2]))
except InputError as error:
    print(error)
"""


def train_in_150_mebibytes(batch_size: int, checkpoint: Path) -> str:
    command = [sys.executable, "-c", PROGRAM, str(batch_size), str(checkpoint)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.slow
def test_too_large_a_batch_is_named_with_what_would_fit(tmp_path: Path) -> None:
    said = train_in_150_mebibytes(700, tmp_path / "a")
    found = re.fullmatch(
        r"out of memory on cpu at batch_size 700 \(0\.\d GiB free beside the network\): "
        r"about (\d+) images a step would fit; lower batch_size",
        said,
    )
    assert found, said
    assert 20 < int(found[1]) < 700
    assert train_in_150_mebibytes(int(found[1]), tmp_path / "b") == ""


def test_memory_an_image_grows_with_the_image_and_the_network() -> None:
    small, wide = (build_network("small", width=width) for width in (8, 16))
    at_32 = bytes_an_image(small, 32, "float32", CPU)
    # At least the input itself, and four times as much at twice the side.
    assert at_32 > 3 * 32 * 32 * 4
    assert 3.5 < bytes_an_image(small, 64, "float32", CPU) / at_32 < 4.5
    assert 1.5 < bytes_an_image(wide, 32, "float32", CPU) / at_32 < 2.5
    assert bytes_an_image(small, 64, "bfloat16", CPU) < bytes_an_image(small, 64, "float32", CPU)


def test_only_failed_allocations_are_out_of_memory() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**60)
    assert is_out_of_memory(caught.value)
    assert is_out_of_memory(MemoryError())
    assert not is_out_of_memory(RuntimeError("size mismatch"))
    assert peak_memory(CPU) > 2**20


def test_the_first_batch_is_a_picture_of_augmented_images(
    training: LabelledImages, recipe: Recipe
) -> None:
    picture = first_batch(training, recipe, columns=5)
    assert picture.shape == (4 * 28, 5 * 28, 3)  # 16 images
    assert picture.dtype == np.uint8
    assert (picture == first_batch(training, recipe, columns=5)).all()
    assert picture[3 * 28 :, 28:].max() == 0
    assert picture[: 3 * 28].std() > 10
