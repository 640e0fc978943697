"""Where the time of a training step goes: python -m benchmarks.training_time

Prints the table of results/training_time.md: milliseconds a step, images a second, and shares of
loading (rows to images), augmentation, the network (forward, loss, backward, clipping, optimizer)
and bookkeeping (averaged weights and the rest), taken by torch.profiler around the very code that
trains, with the network, batch size and recipe of params.yaml.
"""

import argparse
import copy
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile, record_function

from harmonic.data.arrays import LabelledImages
from harmonic.learning import training_set
from harmonic.learning.device import choose_device
from harmonic.learning.draws import Draws
from harmonic.learning.learner import Learner, make_learner
from harmonic.learning.loop import follower
from harmonic.learning.processes import alone
from harmonic.learning.randomness import generator
from harmonic.markdown import markdown_table
from harmonic.model_file.description import ChannelStatistics
from harmonic.nn.networks import build_network
from stages.harness.params import Params, load_params
from stages.training import conv_of, network_options, recipe_of

PARTS = {
    "loading": [(training_set, "as_images")],
    "augmentation": [(training_set, "draw"), (training_set, "augment")],
}


def noise_images(count: int, size: int) -> LabelledImages:
    random = np.random.default_rng(0)
    names = np.array([f"ISIC_{number:07d}" for number in range(count)])
    images = random.integers(0, 256, size=(count, size, size, 3), dtype=np.uint8)
    return LabelledImages(names, images, np.arange(count) % 7, names, np.array(["train"] * count))


@contextmanager
def labelled_parts() -> Iterator[None]:
    """Let the profiler see the functions of PARTS by the part's name."""
    with ExitStack() as patches:
        for part, functions in PARTS.items():
            for module, name in functions:
                function = record_function(part)(getattr(module, name))
                patches.enter_context(patch.object(module, name, function))
        yield


def measure(params: Params, device: torch.device, steps: int) -> dict[str, float]:
    """Milliseconds a step, whole and by part; the profiler's own cost is in none of the shares."""
    recipe = recipe_of(params)
    torch.manual_seed(0)
    model = build_network(params.train.network, conv=conv_of(params), **network_options(params))
    images = noise_images(steps * recipe.batch_size, params.image_size)
    statistics = ChannelStatistics((0.5,) * 3, (0.2,) * 3)
    learner = make_learner(model.train(), images, statistics, recipe, alone(device))
    follow, random = follower(copy.deepcopy(learner.model), learner.model, 0.98), generator(0)
    for draws in learner.data.epoch(random)[:3]:
        whole_step(learner, follow, draws)
    activities = [ProfilerActivity.CPU, *[ProfilerActivity.CUDA] * (device.type == "cuda")]
    finish = partial(torch.cuda.synchronize, device) if device.type == "cuda" else lambda: None
    finish()
    with labelled_parts(), profile(activities=activities) as profiler:
        started = time.perf_counter()
        for draws in learner.data.epoch(random):
            whole_step(learner, follow, draws)
        finish()
        seconds = time.perf_counter() - started
    totals = {event.key: event for event in profiler.key_averages()}

    def milliseconds(name: str) -> float:
        event = totals[name]
        spent = event.device_time_total if device.type == "cuda" else event.cpu_time_total
        return spent / 1000 / steps

    found = {name: milliseconds(name) for name in (*PARTS, "averaged weights", "step")}
    found["network"] = found["step"] - found["loading"] - found["augmentation"]
    return found | {"whole": 1000 * seconds / steps}


def whole_step(learner: Learner, follow: Callable[[int], None], draws: Draws) -> None:
    with record_function("step"):
        learner.step(draws, 1e-4)
    with record_function("averaged weights"):
        follow(1000)


def table(params: Params, device: torch.device, steps: int) -> str:
    """One row per kind of network and precision, as Markdown, and on what it was measured."""
    shown = ("network", "loading", "augmentation", "averaged weights")
    rows = []
    for model in ("cnn", "harmonic"):
        for precision in ("float32", "bfloat16"):
            train = params.train.model_copy(update={"precision": precision})
            changed = params.model_copy(update={"model": model, "train": train})
            found = measure(changed, device, steps)
            shares = [f"{100 * found[part] / found['whole']:.1f} %" for part in shown]
            speed = f"{1000 * params.batch_size / found['whole']:,.0f}"
            rows.append([model, precision, f"{found['whole']:.1f}", speed, *shares])
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    return (
        f"{name}, {torch.get_num_threads()} threads, torch {torch.__version__}, batches of "
        f"{params.batch_size} at {params.image_size} pixels\n\n"
        f"{markdown_table(['model', 'precision', 'step, ms', 'images/s', *shown], rows)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    options = parser.parse_args()
    print(table(load_params(options.params), choose_device(options.device), options.steps), end="")


if __name__ == "__main__":
    main()
