"""What a model file says about its network, checked when read, and the file's seal.

The seal is the SHA-256 of the file with UNSEALED in the digest's place, so it covers the record,
the weights and the format's own bytes alike: what was damaged on its way is refused, not answered.
Against accidents alone: whoever changes a file on purpose can seal it again.
No torch here, so that an exported model can be used where there is none.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError

KEY = "harmonic"
"""The name of the record in a model file's metadata, whatever the file's format."""

UNSEALED = "unsealed" * 8
"""As long as a SHA-256 in hexadecimal digits; stands where the digest is to be."""

LARGEST_FILE = 2**30
LONGEST_RECORD = 100_000
LARGEST_OPTION = 1024
LARGEST_OPTIONS = {"options.blocks": 64}
"""Of a network's whole-number options: no network of this project comes near."""

MOST_IMAGES = 10**9
"""Of a class, in training."""


def of_type(*types: type) -> BeforeValidator:
    """Refuses what equals an allowed value and is of another type: to pydantic true is 1."""

    def check(value: object) -> object:
        if type(value) not in types:
            names = " or ".join(one.__name__ for one in types)
            raise PydanticCustomError(
                "type", "is of another type, {names} is needed", {"names": names}
            )
        return value

    return BeforeValidator(check)


Views = Annotated[Literal[1, 8], of_type(int)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Storage = Literal["float32", "bfloat16", "packed"]


@dataclass(frozen=True)
class ChannelStatistics:
    """Mean and standard deviation of red, green and blue in [0, 1], of the training images."""

    mean: tuple[float, float, float]
    std: tuple[float, float, float]


class Calibration(BaseModel):
    """How outputs become probabilities: fitted on the validation set."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    views: Views
    """Outputs are averaged over this many flips and quarter turns of an image."""
    temperature: Annotated[float, Field(ge=1e-3, le=1000, allow_inf_nan=False)]
    prior_exponent: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 1.0
    """Files without it were calibrated with the class frequencies as they are."""


class Description(BaseModel):
    """What a model file says about its network."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: Literal[1] = 1
    network: Annotated[str, Field(max_length=40)]
    conv: Literal["harmonic", "plain"]
    options: Annotated[dict[str, int | float | str | None], Field(max_length=40)]
    """The keyword arguments of `build_network`."""
    classes: Annotated[list[str], Field(min_length=2, max_length=1000)]
    class_counts: list[Annotated[int, Field(ge=0, le=MOST_IMAGES)]]
    """Training images of each class: the natural decision rule restores their frequencies."""
    imbalance: Literal["logit_adjustment", "class_weights", "focal", "resampling", "none"]
    image_size: Annotated[int, Field(ge=28, le=224)]
    aspect: Literal["squash", "crop", "pad"]
    hair_method: str
    mean: tuple[Share, Share, Share]
    std: tuple[Share, Share, Share]
    storage: Storage = "float32"
    """How the weights are stored; they are computed with in float32."""
    calibration: Calibration | None = None
    """None in a network that is not calibrated (yet); it cannot answer for single images."""
    provenance: Annotated[dict[str, str | int], Field(max_length=20)] = {}
    """What the network was trained on and how: digest of the data, seed, chosen epoch."""
    sha256: Annotated[str, Field(min_length=len(UNSEALED), max_length=len(UNSEALED))] = UNSEALED
    """The seal of the file that was read."""

    @model_validator(mode="after")
    def sizes_in_bounds(self) -> Self:
        """A few bytes of text must not ask for a network that fills the memory."""
        numbers = [(f"options.{name}", value) for name, value in self.options.items()]
        numbers += [("network", int(digits)) for digits in re.findall(r"\d+", self.network)]
        for name, value in numbers:
            largest = LARGEST_OPTIONS.get(name, LARGEST_OPTION)
            if isinstance(value, int) and not 0 <= value <= largest:
                raise ValueError(f"{name} has {value}; 0 to {largest} is allowed")
        return self

    def record(self) -> str:
        """As JSON, for a file that is to be sealed."""
        return self.model_copy(update={"sha256": UNSEALED}).model_dump_json()

    def statistics(self) -> ChannelStatistics:
        return ChannelStatistics(self.mean, self.std)

    def rule(self, name: str = "") -> dict[str, Any]:
        """The keyword arguments of `decision_rules`; raises as `calibration_of`."""
        calibration = calibration_of(self, name)
        return {
            "class_counts": self.class_counts,
            "imbalance": self.imbalance,
            "temperature": calibration.temperature,
            "prior_exponent": calibration.prior_exponent,
        }


def sealed(content: bytes) -> bytes:
    """The content with its digest where UNSEALED stood. Raises ValueError unless that is once."""
    placeholder = UNSEALED.encode()
    if content.count(placeholder) != 1:
        raise ValueError(f"{UNSEALED!r} stands {content.count(placeholder)} times, not once")
    return content.replace(placeholder, hashlib.sha256(content).hexdigest().encode())


def check_seal(content: bytes, digest: str) -> None:
    """Raises ValueError where `content` is not what was sealed with `digest`."""
    before, found, after = content.partition(digest.encode())
    unsealed = before + UNSEALED.encode() + after
    if not found or hashlib.sha256(unsealed).hexdigest() != digest:
        raise ValueError("its bytes are not those that were written; copy or download it again")


def check_file(path: Path) -> None:
    """Raises InputError for a model file that is missing or too large to be read."""
    if not path.is_file():
        raise InputError(f"model {path} is not there")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"model {path}: larger than {LARGEST_FILE} bytes")


def read_description(text: str | None, name: str) -> Description:
    """The checked record of a model file. Raises InputError with one line naming `name`."""
    if text is None:
        raise InputError(f"model {name}: has no description; was it made by this project?")
    if len(text) > LONGEST_RECORD:
        raise InputError(f"model {name}: its description has more than {LONGEST_RECORD} characters")
    try:
        description = Description.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])[:100]
        raise InputError(f"model {name}: {place or 'description'}: {first['msg'][:300]}") from None
    if tuple(description.classes) != CLASSES or len(description.class_counts) != len(CLASSES):
        raise InputError(
            f"model {name}: classes are {str(description.classes)[:200]}; "
            f"needed are {list(CLASSES)} and a count of training images for each"
        )
    return description


def check_data(description: Description, digest: str, name: str) -> None:
    """Raises InputError where the network was trained on other data, or on these split apart."""
    trained_on = description.provenance.get("data", digest)
    if trained_on != digest:
        raise InputError(
            f"model {name}: was trained on data {trained_on}, these are {digest}: images of its "
            "training may be among those it is to be tested on; train it again"
        )


def calibration_of(description: Description, name: str) -> Calibration:
    """Raises InputError where the network was never calibrated."""
    if description.calibration is None:
        raise InputError(f"model {name}: holds no temperature; train it again to calibrate it")
    return description.calibration
