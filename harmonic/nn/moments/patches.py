"""Which image positions the samples of a convolution's kernel visit."""

from collections import defaultdict
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..geometry import Geometry


class Part(NamedTuple):
    """Rows that count for some kernel samples: all rows of a phase (1), or one edge row (−1)."""

    start: int
    is_edge: bool
    samples: tuple[int, ...]


@dataclass(frozen=True)
class Axis:
    """One direction of a convolution: sizes in pixels, zero padding (before, after)."""

    size: int
    kernel: int
    stride: int
    dilation: int
    padding: tuple[int, int]

    @property
    def reach(self) -> int:
        """Pixels from a kernel's first sample to its last."""
        return (self.kernel - 1) * self.dilation

    @property
    def output(self) -> int:
        """Number of output positions."""
        return (self.size + sum(self.padding) - self.reach - 1) // self.stride + 1

    def visited(self, sample: int) -> range:
        """Positions that a kernel sample visits; those outside the image are padding."""
        start = sample * self.dilation - self.padding[0]
        return range(start, start + self.stride * self.output, self.stride)

    def parts(self) -> list[Part]:
        """What each sample visits, as all positions of its phase less the edges it misses.

        A phase is a position modulo the stride; samples of one phase visit the same positions but
        for a few at the borders.
        """
        by_phase: defaultdict[int, list[int]] = defaultdict(list)
        missing: defaultdict[int, list[int]] = defaultdict(list)
        for sample in range(self.kernel):
            visited = self.visited(sample)
            phase = visited.start % self.stride
            by_phase[phase].append(sample)
            for y in set(range(phase, self.size, self.stride)) - set(visited):
                missing[y].append(sample)
        whole = [Part(phase, False, tuple(samples)) for phase, samples in sorted(by_phase.items())]
        return whole + [Part(y, True, tuple(samples)) for y, samples in sorted(missing.items())]

    def visits(self) -> Tensor:
        """(kernel, size) of 0 and 1, float64: does kernel sample k visit image position y?"""
        table = torch.zeros(self.kernel, self.size, dtype=torch.float64)
        for sample in range(self.kernel):
            inside = [y for y in self.visited(sample) if 0 <= y < self.size]
            table[sample, torch.tensor(inside, dtype=torch.long)] = 1
        return table

    def joint_visits(self) -> Tensor:
        """(kernel, kernel, size): sample l visits y while sample k is inside the image too."""
        sample = torch.arange(self.kernel)
        other = torch.arange(self.size) + ((sample[:, None] - sample) * self.dilation)[..., None]
        return ((other >= 0) & (other < self.size)).double() * self.visits()


def axes(geometry: Geometry, images: Tensor) -> tuple[Axis, Axis]:
    """Rows and columns of a zero-padding convolution over images (…, H, W)."""
    left, right, top, bottom = geometry.pads
    rows, columns = zip(geometry.kernel_size, geometry.stride, geometry.dilation, strict=True)
    height, width = images.shape[-2:]
    return Axis(height, *rows, (top, bottom)), Axis(width, *columns, (left, right))


class Patches:
    """The geometry of a convolution over (height, width), as tensors on one device."""

    def __init__(self, rows: Axis, columns: Axis, device: torch.device) -> None:
        self.rows = rows
        self.columns = columns
        self.positions = rows.output * columns.output
        self.row_visits = rows.visits().to(device)
        self.column_visits = columns.visits().to(device)
        self.row_joint = rows.joint_visits().to(device)
        self.column_joint = columns.joint_visits().to(device)
        self.row_parts = rows.parts()
        weights = torch.zeros(len(self.row_parts), rows.kernel, dtype=torch.float64)
        for part, weight in zip(self.row_parts, weights, strict=True):
            weight[list(part.samples)] = -1 if part.is_edge else 1
        self.row_weights = weights.to(device)
