"""What the parameters of a run say of it: what it can be grouped by, and its test set.

They come from params.yaml.
"""

import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harmonic.errors import InputError


def traits_of(content: bytes | None, name: str) -> dict[str, str]:
    """The parameters of a run, `train.level` for nested ones; empty without a params.yaml."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    if content is None:
        return {}
    try:
        tree = YAML(typ="safe", pure=True).load(io.BytesIO(content))
    except YAMLError:
        raise InputError(f"run {name}: params.yaml is no YAML") from None
    found: dict[str, str] = {}

    def collect(prefix: str, branch: Any) -> None:
        if isinstance(branch, dict):
            for key, value in branch.items():
                collect(f"{prefix}{key}.", value)
        else:
            found[prefix.rstrip(".")] = str(branch)

    collect("", tree)
    return found


def test_set_of_parameters(traits: Mapping[str, str], metrics: Mapping[str, float]) -> str:
    """What is known of the test set of a run without predictions: the parameters that draw it."""
    known = {"source": traits["source"]} if "source" in traits else {}
    if known.get("source") == "archive" and "archive" in traits:
        known["archive"] = Path(traits["archive"]).name
    sections = ("split", "download") if known.get("source") == "sample" else ("split",)
    known |= {key: traits[key] for key in sorted(traits) if key.split(".")[0] in sections}
    if "test_images" in metrics:
        known["images"] = f"{metrics['test_images']:.0f}"
    parameters = ", ".join(f"{key}={value}" for key, value in known.items())
    return f"metrics alone, {parameters or 'test set not known'}"


def whole_number(value: object, name: str) -> int:
    """The value as int, from whatever run.json or params.yaml held; raises InputError naming it."""
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not (number >= 0 and number.is_integer()):
        raise InputError(f"{name} is {value}; allowed is a whole number from 0")
    return int(number)


def finite(value: Any, name: str) -> float:
    """The value as float; raises InputError naming it where it is NaN, infinite or no number."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise InputError(f"{name} is {value}; allowed is a finite number")
    return float(value)
