"""No gradient of a strided 1 × 1 convolution over few channels is taken channels last on a CPU."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from harmonic.data.arrays import LabelledImages
from harmonic.learning.device import memory_format_for
from harmonic.learning.fit import fine_tune, fit
from harmonic.learning.learner import make_learner
from harmonic.learning.loop import train
from harmonic.learning.lr_range import sweep_rates
from harmonic.learning.memory import bytes_an_image
from harmonic.learning.processes import alone
from harmonic.learning.randomness import generator
from harmonic.learning.settings import Recipe
from harmonic.model_file.description import ChannelStatistics
from harmonic.nn import HarmonicConv2d
from harmonic.nn.networks import build_network
from stages.harness.params import load_params
from stages.training import plan_of
from tests.learning.conftest import RECIPE, SCHEDULE, coloured

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
STATISTICS = ChannelStatistics((0.5,) * 3, (0.2,) * 3)
WIDTHS = (4, 8, 12, 16, 24, 32)


@pytest.mark.parametrize("conv", ["harmonic", "plain"])
@pytest.mark.parametrize(
    ("name", "options", "narrow"),
    [
        *(("small", {"width": width}, width < 16) for width in WIDTHS),
        *(("small", {"width": width, "batch_norm": "all"}, width < 16) for width in (8, 16)),
        ("small", {"width": 8, "binarize": "binary"}, True),
        ("small", {"width": 15, "blocks": 2}, True),
        ("post", {}, False),  # has no 1 × 1 convolution
        ("wrn-10-1", {}, False),
        ("resnet-18", {}, False),
        ("resnet-50", {}, False),
    ],
)
def test_networks_are_channels_last_but_the_narrow_ones_on_a_cpu(
    name: str, options: dict[str, Any], narrow: bool, conv: str
) -> None:
    model = build_network(name, conv=conv, **options)
    on_cpu = torch.contiguous_format if narrow else torch.channels_last
    assert memory_format_for(model, CPU) == on_cpu
    assert memory_format_for(model, torch.device("cuda")) == torch.channels_last


@pytest.mark.parametrize(
    ("layer", "narrow"),
    [
        (nn.Conv2d(3, 16, 1, stride=2), True),  # looks at the images themselves
        (nn.Conv2d(15, 16, 1, stride=(1, 2)), True),
        (nn.Conv2d(16, 8, 1, stride=2), False),
        (nn.Conv2d(8, 8, 1), False),
        (nn.Conv2d(8, 8, 3, stride=2), False),
        (HarmonicConv2d(8, 16, 1, stride=2), True),
        (HarmonicConv2d(16, 16, 1, stride=2), False),
        (HarmonicConv2d(16, 16, 1, stride=2, batch_norm=True), False),
        (HarmonicConv2d(16, 16, 3, stride=2, batch_norm=True), False),
    ],
)
def test_the_rule_looks_at_kernel_stride_and_channels(layer: nn.Module, narrow: bool) -> None:
    found = memory_format_for(nn.Sequential(nn.ReLU(), layer), CPU)
    assert found == (torch.contiguous_format if narrow else torch.channels_last)


def small(width: int) -> nn.Module:
    return build_network("small", width=width)


def training_loop(width: int, recipe: Recipe, data: LabelledImages, folder: Path) -> None:
    schedule = SCHEDULE.model_copy(update={"epochs": 1})
    train(small(width), data, data, STATISTICS, recipe, schedule, alone(CPU), folder / "c")


def rate_sweep(width: int, recipe: Recipe, data: LabelledImages, folder: Path) -> None:
    model = small(width)
    sweep_rates(
        model, data, STATISTICS, recipe, alone(CPU).device, lowest=1e-6, highest=1e-5, steps=12
    )


def fine_tuning(width: int, recipe: Recipe, data: LabelledImages, folder: Path) -> None:
    fine_tune(
        small(width), data, data, STATISTICS, recipe,
        epochs=1, lr=1e-3, device=CPU, checkpoint=folder / "c",
    )  # fmt: skip


def whole_fit(width: int, recipe: Recipe, data: LabelledImages, folder: Path) -> None:
    params = load_params(ROOT / "params.yaml")
    narrow = params.train.model_copy(update={"width": width})
    changed = {"train": narrow, "epochs": 1, "image_size": data.images.shape[1]}
    sets = np.where(np.arange(len(data.labels)) % 2, "train", "val")
    plan = plan_of(params.model_copy(update=changed))
    fit(plan, replace(data, sets=sets), folder, device="cpu", digest="0")


PLACES = [training_loop, rate_sweep, fine_tuning, whole_fit]
Place = Callable[[int, Recipe, LabelledImages, Path], None]


class Convolutions(TorchDispatchMode):
    """Notes of every gradient of a convolution whether anything in it was channels last."""

    def __init__(self) -> None:
        super().__init__()
        self.channels_last: list[bool] = []

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function is torch.ops.aten.convolution_backward.default:
            images, kernel = args[1:3]
            self.channels_last.append(
                any(
                    one.is_contiguous(memory_format=torch.channels_last) and not one.is_contiguous()
                    for one in (images, kernel)
                )
            )
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("width", [8, 16])
def test_every_gradient_of_a_training_is_taken_in_the_layout_of_the_rule(
    place: Place, width: int, recipe: Recipe, tmp_path: Path
) -> None:
    with Convolutions() as convolutions:
        place(width, recipe, coloured(28, 0, "train"), tmp_path)
    assert convolutions.channels_last
    assert set(convolutions.channels_last) == {width >= 16}


@pytest.mark.parametrize("width", [8, 16])
def test_memory_is_measured_in_the_layout_of_training(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, layouts = small(width), []
    model.register_forward_pre_hook(
        lambda _, inputs: layouts.append(inputs[0].is_contiguous()), prepend=True
    )
    bytes_an_image(model, 28, "float32", CPU)
    assert layouts == [width < 16] * 2


def steps(
    widths: list[int], conv: str, precision: str, sizes: list[int], count: int,
    *, compiled: bool = False, side: int = 28,
) -> None:  # fmt: skip
    """Check the first gradients against those without oneDNN, then take `count` steps."""
    torch.set_num_threads(2)
    data = coloured(max(sizes), 0, "train")
    data = replace(data, images=data.images[:, :side, :side])
    plain = RECIPE.model_copy(update={"precision": precision})
    for width in widths:
        for size in sizes:
            gradients = []
            for onednn in (False, True):
                changed = {"batch_size": size, "compile": compiled and onednn}
                recipe = plain.model_copy(update=changed)
                torch.manual_seed(0)
                model = build_network("small", conv=conv, width=width).train()
                learner = make_learner(model, data, STATISTICS, recipe, alone(CPU))
                with torch.backends.mkldnn.flags(enabled=onednn):
                    learner.step(learner.data.epoch(generator(0))[0], 0.0)
                gradients.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
            difference = float((gradients[1] - gradients[0]).norm() / gradients[0].norm())
            # Rounding turns a ReLU on the brink: 0.004. What the fault writes is off by 1 to 3.
            most = 0.3 if precision == "bfloat16" else 0.02
            assert difference < most, (width, size, difference)
            random = generator(1)
            losses = [learner.step(learner.data.epoch(random)[0], 1e-3) for _ in range(count)]
            assert torch.stack(losses).isfinite().all(), (width, size)


def run_steps(*arguments: Any, **options: Any) -> None:
    """`steps` in a process of its own, which a fault may end or hang."""
    code = f"from tests.learning.test_layout import steps; steps(*{arguments!r}, **{options!r})"
    command = [sys.executable, "-W", "ignore", "-c", code]
    ended = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=3000
    )
    assert ended.returncode == 0, (ended.returncode, ended.stderr[-500:])


@pytest.mark.parametrize("conv", ["harmonic", "plain"])
def test_gradients_of_a_narrow_network_are_right_on_two_threads(conv: str) -> None:
    """Width 4 goes wrong channels last on any processor with AVX2, width 8 with AVX-512."""
    run_steps([4, 8], conv, "float32", [16], 3)


@pytest.mark.timeout(3100)
@pytest.mark.parametrize(
    ("width", "conv", "precision"),
    [
        pytest.param(
            width,
            conv,
            precision,
            # Where the fault strikes most; the others take half an hour together.
            marks=pytest.mark.slow if width == 8 and precision == "float32" else pytest.mark.long,
        )
        for width in WIDTHS
        for conv in ("harmonic", "plain")
        for precision in ("float32", "bfloat16")
    ],
)
def test_networks_of_any_width_train_a_hundred_steps_on_two_threads(
    width: int, conv: str, precision: str
) -> None:
    """Three times over; in images of 16 pixels, as larger ones take half an hour and more."""
    run_steps([width], conv, precision, 3 * [16, 32, 64], 100, side=16)


@pytest.mark.slow
def test_a_compiled_narrow_network_keeps_its_layout() -> None:
    """The compiler by itself takes every convolution on a CPU channels last."""
    run_steps([4], "plain", "float32", [16], 3, compiled=True)
