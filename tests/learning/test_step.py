"""What a training step asks of the device beside the network: few kernels, no uploads."""

import copy
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import harmonic
from harmonic.learning.batches import channel_statistics
from harmonic.learning.learner import Learner, make_learner
from harmonic.learning.loop import follower
from harmonic.learning.processes import alone
from harmonic.learning.randomness import generator
from harmonic.nn.networks import build_network
from tests.learning.conftest import RECIPE, coloured

CPU = torch.device("cpu")
HERE = Path(harmonic.__file__).parent


class Calls(TorchDispatchMode):
    """Counts what reaches ATen, but for a network's forward and backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.found: Counter[str] = Counter()
        self.counting = True

    def __torch_dispatch__(
        self, function: Any, types: Any, arguments: Any = (), options: Any = None
    ) -> Any:
        self.found[str(function)] += self.counting
        return function(*arguments, **(options or {}))

    @contextmanager
    def without(self) -> Iterator[None]:
        self.counting = False
        yield
        self.counting = True


def learner_of(model: torch.nn.Module, batch_size: int) -> Learner:
    training = coloured(96, 0, "train")
    recipe = RECIPE.model_copy(update={"batch_size": batch_size})
    return make_learner(model, training, channel_statistics(training.images), recipe, alone(CPU))


def test_a_step_takes_few_calls_beside_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """271 when every parameter and every draw was handled alone."""
    model = build_network("small", width=8).train()
    learner, calls = learner_of(model, 32), Calls()
    follow = follower(copy.deepcopy(model), model, 0.9)

    def uncounted(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            with calls.without():
                return function(*arguments, **options)

        return call

    monkeypatch.setattr(model, "forward", uncounted(model.forward))
    monkeypatch.setattr(torch.Tensor, "backward", uncounted(torch.Tensor.backward))
    learner.step(learner.data.epoch(generator(0))[0], 1e-3)  # the optimizer sets itself up
    with calls:
        draws = learner.data.epoch(generator(0))
        for step, one in enumerate(draws):
            learner.step(one, 1e-3)
            follow(step)
    assert len(draws) == 3
    assert calls.found["aten.grid_sampler_2d.default"] == 3, "the steps were counted"
    assert sum(calls.found.values()) / len(draws) <= 271 / 3, calls.found.most_common(20)


def test_draws_are_brought_to_the_device_once_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many steps it has; and a step brings nothing more."""
    moved: list[str] = []

    def noted(function: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            caller = Path(sys._getframe(1).f_code.co_filename)  # not torch, which asks itself, too
            if caller.is_relative_to(HERE) and any(
                isinstance(one, torch.device) for one in (*arguments, *options.values())
            ):
                moved.append(f"{caller.name}: {function.__name__}")
            return function(*arguments, **options)

        return call

    monkeypatch.setattr(torch.Tensor, "to", noted(torch.Tensor.to))
    monkeypatch.setattr(torch, "tensor", noted(torch.tensor))
    uploads = {}
    for size in (16, 48):
        learner = learner_of(build_network("small", width=8).train(), size)
        moved.clear()
        draws = learner.data.epoch(generator(0))
        uploads[size] = list(moved)
        moved.clear()
        for one in draws:
            learner.step(one, 1e-3)
        assert not moved
    assert 0 < len(uploads[16]) <= 7
    assert uploads[16] == uploads[48]
