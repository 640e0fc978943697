"""The spatial convolutions of a network: plain or harmonic, one choice for the whole of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from ..checks import integer, one_of
from ..conv import HarmonicConv2d
from ..filters import NORMS, RANDOM
from ..surgery import BATCH_NORM
from ..transforms import TRANSFORMS

Level = int | None | str | Sequence[int | None]
KINDS = ("harmonic", "plain")


@dataclass(frozen=True)
class Convolutions:
    """Makes a network's convolutions. `levels` holds one λ a stage; the plain kind ignores it."""

    kind: str
    levels: tuple[int | None, ...]
    norm: str
    transform: str
    batch_norm: str

    def root(self, *args: Any, **kwargs: Any) -> nn.Module:
        """The first convolution: all frequencies (the papers never cut it)."""
        return self._make(None, self.batch_norm != "none", args, kwargs)

    def in_stage(self, stage: int, *args: Any, **kwargs: Any) -> nn.Module:
        """A convolution of stage 0, 1, … with that stage's level."""
        return self._make(self.levels[stage], self.batch_norm == "all", args, kwargs)

    def _make(
        self, level: int | None, batch_norm: bool, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> nn.Module:
        if self.kind == "plain":
            return nn.Conv2d(*args, **kwargs)
        kwargs |= {"norm": self.norm, "transform": self.transform, "batch_norm": batch_norm}
        return HarmonicConv2d(*args, level=level, **kwargs)


def convolutions(
    kind: str, stages: int, level: Level, norm: str, transform: str, batch_norm: str
) -> Convolutions:
    """Checks the options that every network shares.

    level: one λ for all stages, None for all frequencies, "progressive" for the papers' full …
    full, 3, 2, or one value a stage.
    """
    one_of("conv", kind, KINDS)
    one_of("norm", norm, NORMS)
    one_of("transform", transform, (*TRANSFORMS, RANDOM))
    one_of("batch_norm", batch_norm, BATCH_NORM)
    return Convolutions(kind, _levels(level, stages), norm, transform, batch_norm)


def initialise(network: nn.Module) -> None:
    """He et al.'s normal initialisation (fan out) for convolutions of both kinds, in tree order."""
    for module in network.modules():
        if isinstance(module, HarmonicConv2d):
            module.set_random_kernel(_he_normal(module.weight.new_empty(module.kernel_shape)))
        elif isinstance(module, nn.Conv2d):
            _he_normal(module.weight)


def _he_normal(kernel: Tensor) -> Tensor:
    return nn.init.kaiming_normal_(kernel, mode="fan_out", nonlinearity="relu")


def _levels(level: Level, stages: int) -> tuple[int | None, ...]:
    if level == "progressive":
        return (None,) * (stages - 2) + (3, 2)
    if isinstance(level, str):
        raise ValueError(f"level={level!r} is unknown: an integer, None or 'progressive'")
    if level is None or not isinstance(level, Sequence):
        level = (level,) * stages
    if len(level) != stages:
        raise ValueError(f"level={level!r} has {len(level)} values for {stages} stages")
    return tuple(None if one is None else integer("level", one, least=1) for one in level)
