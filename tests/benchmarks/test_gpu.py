"""The page that `make gpu` writes, made on a CPU, where its figures are those of a CPU."""

import subprocess
import sys

import pytest
import torch

from benchmarks import gpu
from tests.stages.clones import ROOT


@pytest.mark.slow
def test_the_page_has_its_tables_and_says_whose_they_are(monkeypatch) -> None:
    asked = []  # the layers' own table takes a minute; tests/bench has it
    monkeypatch.setattr(gpu, "bench", lambda **options: asked.append(options) or "| layers |\n")
    params = gpu.full()
    assert (params.train.width, params.train.blocks, params.batch_size) == (64, 2, 128)
    train = params.train.model_copy(update={"width": 16, "blocks": 1})
    small = params.model_copy(update={"train": train, "batch_size": 4})
    found = gpu.page(torch.device("cpu"), "c0ffee", rounds=1, steps=2, params=small)
    assert found.startswith("# On a CPU\n\n`make gpu`, commit c0ffee")
    assert asked == [{"rounds": 1, "device": "cpu"}]
    assert "| layers |\n\n## Where" in found
    rows = [line.split()[1::2][:2] for line in found.splitlines() if line.startswith("| ")]
    kinds = [
        [model, precision] for model in ("cnn", "harmonic") for precision in ("float32", "bfloat16")
    ]
    assert rows[-4:] == kinds
    assert "images/s" in found


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so() -> None:
    command = [sys.executable, "-m", "benchmarks.gpu"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "gpu: torch finds no CUDA device here; its CPU build never does\n"
