"""What a GPU makes of the project, in a few minutes: python -m benchmarks.gpu, or make gpu

Writes results/gpu-<name of the card>.md: what the layers cost there, and how many images a second
the preset `full` trains, with where the time goes.
"""

import argparse
import re
import sys
from pathlib import Path

import torch

from benchmarks.training_time import table
from harmonic.bench.layers import bench
from harmonic.files import write_text
from harmonic.provenance import clean_commit
from stages.harness.params import Params, checked_params
from studies.data import CODE, REPOSITORY, overridden
from studies.presets import PRESETS

TEXT = """\
# On {card}

`make gpu`, commit {commit}, random images. How it compares with a CPU: [layers.md](layers.md),
[training_time.md](training_time.md).

## What the layers cost

{layers}
## Where the time of a training step goes

The network and the recipe of the preset `full`. {steps}"""


def full() -> Params:
    return checked_params(overridden(PRESETS["full"].base | {"source": "sample"}), "full")


def page(device: torch.device, commit: str, rounds: int, steps: int, params: Params) -> str:
    card = torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU"
    layers = bench(rounds=rounds, device=str(device))
    measured = table(params, device, steps)
    return TEXT.format(card=card, commit=commit, layers=layers, steps=measured)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="of the table of layers (25)")
    parser.add_argument("--steps", type=int, default=100, help="of training (100)")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("gpu: torch finds no CUDA device here; its CPU build never does")
    device = torch.device("cuda")
    commit = clean_commit(REPOSITORY, [*CODE, "benchmarks"])
    name = re.sub(r"[^a-z0-9]+", "-", torch.cuda.get_device_name(device).lower()).strip("-")
    place = Path("results", f"gpu-{name}.md")
    write_text(place, page(device, commit, options.rounds, options.steps, full()))
    print(f"{place} is written")


if __name__ == "__main__":
    main()
