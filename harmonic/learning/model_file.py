"""A trained network in one file: weights and everything that is needed to use them.

The format is safetensors, which holds tensors and text and can run no code. The text is one JSON
record under one key, so the bytes of the file depend on weights and description alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.learning.batches import ChannelStatistics
from harmonic.nn.networks import build_network

KEY = "harmonic"
LARGEST_FILE = 2**30

Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class Description(BaseModel):
    """What a model file says about its network; checked whenever it is read."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    version: Literal[1] = 1
    network: str
    conv: Literal["harmonic", "plain"]
    options: dict[str, int | float | str | None]
    """The keyword arguments of `build_network`."""
    classes: Annotated[list[str], Field(min_length=2, max_length=1000)]
    class_counts: list[Annotated[int, Field(ge=0)]]
    """Training images of each class: the natural decision rule restores their frequencies."""
    imbalance: Literal["logit_adjustment", "class_weights", "focal", "none"]
    image_size: Annotated[int, Field(ge=28, le=224)]
    aspect: Literal["squash", "crop", "pad"]
    hair_method: str
    mean: tuple[Share, Share, Share]
    std: tuple[Share, Share, Share]

    def statistics(self) -> ChannelStatistics:
        return ChannelStatistics(self.mean, self.std)

    def build(self) -> nn.Module:
        """The network that is described, with fresh weights."""
        return build_network(
            self.network, num_classes=len(self.classes), conv=self.conv, **self.options
        )


def save_model(path: Path, state: Mapping[str, Tensor], description: Description) -> None:
    """Write weights and description; the same content gives the same bytes."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in sorted(state.items())}
    path.write_bytes(save(tensors, metadata={KEY: description.model_dump_json()}))


def load_model(path: Path) -> tuple[nn.Module, Description]:
    """Read a model file; the network comes back in eval mode on the CPU.

    Raises InputError with one line where the file is missing, too large, no safetensors file, says
    too little or something odd about its network, or its weights do not fit the network it names.
    """
    if not path.is_file():
        raise InputError(f"model {path} is not there")
    if path.stat().st_size > LARGEST_FILE:
        raise InputError(f"model {path}: larger than {LARGEST_FILE} bytes")
    try:
        with safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get(KEY)
            tensors: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"model {path}: no whole safetensors file ({error})") from None
    if text is None:
        raise InputError(f"model {path}: has no description; was it made by this project?")
    try:
        description = Description.model_validate_json(text)
        model = description.build()
        if tuple(description.classes) != CLASSES or len(description.class_counts) != len(CLASSES):
            raise ValueError(f"classes are {description.classes}; needed are {list(CLASSES)}")
        model.load_state_dict(tensors)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InputError(f"model {path}: {place or 'description'}: {first['msg']}") from None
    except (ValueError, TypeError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise InputError(f"model {path}: {reason}") from None
    return model.eval(), description
