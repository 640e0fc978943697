"""The metrics of two runs, within what tolerances.yaml allows."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field
from ruamel.yaml import YAML

PLACE = Path(__file__).with_name("tolerances.yaml")


class Tolerances(BaseModel):
    """Which stages may differ in their bytes, and by how much metrics may differ then."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    stages: list[str]
    metrics: dict[str, float] = Field(min_length=1)


@dataclass(frozen=True)
class Apart:
    """One metric in two runs."""

    name: str
    then: float
    now: float
    allowed: float

    def within(self) -> bool:
        return abs(self.now - self.then) <= self.allowed

    def __str__(self) -> str:
        return f"{self.name} {self.then:.4f} → {self.now:.4f} (±{self.allowed:g} allowed)"


def read_tolerances(path: Path = PLACE) -> Tolerances:
    return Tolerances.model_validate(YAML(typ="safe", pure=True).load(path))


def metrics_apart(
    then: Mapping[str, float], now: Mapping[str, float], tolerances: Tolerances
) -> list[Apart]:
    """Every metric that has a tolerance, then and now; NaN, which is never within, if missing."""
    nan = float("nan")
    return [
        Apart(name, then.get(name, nan), now.get(name, nan), allowed)
        for name, allowed in tolerances.metrics.items()
    ]
