"""Two thousand mutations of every kind of file, by seed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.worker import KINDS
from tests.stages.clones import ROOT

PROCESSES = 2
WORKER = "tests.fuzz.worker"


def faults(kind: str, seeds: range, models: dict[str, Path], folder: Path) -> list[str]:
    """What went wrong; the processes each try a part of the seeds."""
    for model in models.values():
        (folder / model.name).write_bytes(model.read_bytes())
    step = -(-len(seeds) // PROCESSES)
    parts = [seeds[start : start + step] for start in range(0, len(seeds), step)]
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", WORKER, kind, str(part[0]), str(part[-1] + 1), folder],
            cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for part in parts
    ]  # fmt: skip
    found = []
    for worker, part in zip(workers, parts, strict=True):
        try:
            printed, _ = worker.communicate(timeout=800)
        finally:
            worker.kill()
        found += printed.splitlines()
        if worker.returncode:
            seed = (folder / f"{kind}-{part[0]}" / "seed").read_text()
            found.append(f"seed {seed}: the process ended with status {worker.returncode}")
    return found


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_thousand_mutations(kind: str, models: dict[str, Path], tmp_path: Path) -> None:
    assert faults(kind, range(2000), models, tmp_path) == []
