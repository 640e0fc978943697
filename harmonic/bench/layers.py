"""Side-by-side measurement of plain and harmonic convolutions: time and peak memory."""

import copy
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile

from ..markdown import markdown_table
from ..nn.checks import integer
from ..nn.conv import HarmonicConv2d
from ..nn.networks import build_network
from ..nn.surgery import fold, harmonize

PLAIN = "nn.Conv2d"
LINEAR = "harmonic"
MOMENTS = "harmonic, batch norm by moments"
MAPS = "harmonic, batch norm by maps"
FOLDED = "folded"
HEADS = (
    *("what", "kind", "inference, ms", "× plain", "training step, ms", "× plain"),
    *("peak, MiB", "× plain"),
)


@dataclass(frozen=True)
class Workload:
    """What is measured: a plain model and the shape (N, C, H, W) of its input."""

    name: str
    model: nn.Module
    shape: tuple[int, int, int, int]


@dataclass
class Row:
    """One kind of model on one workload: seconds by round, bytes."""

    workload: str
    kind: str
    inference: list[float] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    memory: int | None = None


def workloads(network: str) -> Iterator[Workload]:
    """Three layers of common sizes and one network."""
    for channels, filters, size in ((32, 64, 64), (64, 64, 32), (128, 128, 16)):
        name = f"3 × 3 layer, {channels} → {filters}, {size} × {size}, batch 16"
        conv = nn.Conv2d(channels, filters, 3, padding=1, bias=False)
        yield Workload(name, conv, (16, channels, size, size))
    name = f"network {network!r}, 64 × 64, batch 32"
    yield Workload(name, build_network(network, conv="plain"), (32, 3, 64, 64))


def measure(workload: Workload, rounds: int, device: torch.device) -> list[Row]:
    """A row for each kind of model; in every round each kind takes its turn, in random order."""
    images = torch.randn(workload.shape, device=device)
    kinds = {name: model.to(device) for name, model in _kinds(workload.model).items()}
    rows = {name: Row(workload.name, name) for name in kinds}
    trained = {name: _training_step(model, images) for name, model in kinds.items()}
    del trained[FOLDED]  # it trains as nn.Conv2d does
    inferred = {name: _inference(copy.deepcopy(one), images) for name, one in kinds.items()}
    for name, step in trained.items():
        step()
        rows[name].memory = peak_memory(step, device)
    order = random.Random(0)
    for turn in range(-1, rounds):
        for work, measured in ((inferred, "inference"), (trained, "training")):
            for name in order.sample(list(work), len(work)):
                seconds = _seconds(work[name], device)
                if turn >= 0:  # the first round warms up
                    getattr(rows[name], measured).append(seconds)
    return list(rows.values())


def peak_memory(work: Callable[[], object], device: torch.device) -> int:
    """Bytes of tensors alive at the peak of `work`, beyond those alive before it.

    On a GPU the allocator's own figure; on a CPU the sum of all allocations and releases that the
    profiler recorded, without the scratch space that libraries take for themselves.
    """
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        work()
        torch.cuda.synchronize(device)
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        work()
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "trace.json"
        profiler.export_chrome_trace(str(trace))
        events = json.loads(trace.read_text(encoding="utf-8"))["traceEvents"]
    changes = [one for one in events if one.get("name") == "[memory]"]
    alive = peak = 0
    for change in sorted(changes, key=lambda one: one["ts"]):
        alive += change["args"]["Bytes"]
        peak = max(peak, alive)
    return peak


def bench(
    *, rounds: int = 25, network: str = "small", device: str = "auto", threads: int | None = None
) -> str:
    """Measures everything and returns the table as Markdown.

    device: a torch device, or "auto" for a GPU where there is one. threads: CPU threads, None for
    torch's choice. Raises ValueError or TypeError naming the wrong argument.
    """
    integer("rounds", rounds, least=1)
    place = _device(device)
    if threads is not None:
        torch.set_num_threads(integer("threads", threads, least=1))
    torch.manual_seed(0)
    prepared = list(workloads(network))
    tables = [measure(workload, rounds, place) for workload in prepared]
    return report(tables, rounds, place)


def report(tables: list[list[Row]], rounds: int, device: torch.device) -> str:
    """The rows of all workloads as one Markdown table, with what was measured and how."""
    cells = []
    for rows in tables:
        plain = next(row for row in rows if row.kind == PLAIN)
        cells += [_cells(row, plain) for row in rows]
    training = {row.kind: row.training for row in tables[-1]}
    gain = _ratio(training[MAPS], training[MOMENTS])
    return (
        f"{markdown_table(HEADS, cells, right=HEADS[2:])}\n"
        f"{_describe(device)}, PyTorch {torch.__version__}, float32. Medians over {rounds} rounds, "
        "in each of which every kind takes its turn in random order; × plain is the median over "
        "rounds of the ratio to nn.Conv2d in the same round. A training step is forward, backward "
        "and an SGD step with momentum. Peak: tensors alive at the peak of a training step beyond "
        "those before it. In the network with batch norm in every layer, moments are "
        f"{gain:.2f} times as fast as maps.\n"
    )


def _kinds(plain: nn.Module) -> dict[str, nn.Module]:
    by_moments = harmonize(plain, batch_norm="all")
    by_maps = copy.deepcopy(by_moments)
    for model, statistics in ((by_moments, "moments"), (by_maps, "maps")):
        for layer in model.modules():
            if isinstance(layer, HarmonicConv2d):
                layer.statistics = statistics
    return {
        PLAIN: plain,
        LINEAR: harmonize(plain),
        MOMENTS: by_moments,
        MAPS: by_maps,
        FOLDED: fold(harmonize(plain)),
    }


def _training_step(model: nn.Module, images: Tensor) -> Callable[[], object]:
    model.train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    is_layer = not any(model.children())
    images = images.clone().requires_grad_(is_layer)  # a layer inside a network passes gradients on

    def step() -> None:
        model(images).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()  # last, so that nothing outlives a step and its memory is all its own
        images.grad = None

    return step


def _inference(model: nn.Module, images: Tensor) -> Callable[[], object]:
    model.eval()

    def infer() -> None:
        with torch.inference_mode():
            model(images)

    return infer


def _seconds(work: Callable[[], object], device: torch.device) -> float:
    _wait_for(device)
    start = time.perf_counter()
    work()
    _wait_for(device)
    return time.perf_counter() - start


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _device(name: str) -> torch.device:
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros((), device=device).item()  # refused by devices without values too, as meta
    except (RuntimeError, AssertionError):
        raise ValueError(f"device={name!r} cannot be used here: try cpu") from None
    return device


def _describe(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"CPU, {torch.get_num_threads()} threads"


def _ratio(times: list[float], others: list[float]) -> float:
    return median(one / other for one, other in zip(times, others, strict=True))


def _cells(row: Row, plain: Row) -> list[str]:
    cells = [row.workload, row.kind, f"{median(row.inference) * 1e3:.2f}"]
    cells.append(f"{_ratio(row.inference, plain.inference):.2f}")
    if row.memory is None or plain.memory is None:
        return cells + ["–"] * 4
    return [
        *(*cells, f"{median(row.training) * 1e3:.2f}"),
        f"{_ratio(row.training, plain.training):.2f}",
        *(f"{row.memory / 2**20:.1f}", f"{row.memory / plain.memory:.2f}"),
    ]
