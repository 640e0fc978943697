"""What a training is: its network, one optimizer step, and how the learning rate runs.

Each section checks its own values, so whoever composes them (params.yaml does) checks them once;
the descriptions are what error messages quote. Units and reasons stand in params.yaml. No torch
here: parameters are checked before it is loaded.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


def number(lowest: float, highest: float, unit: str = "") -> Any:
    """A finite float in [lowest, highest]."""
    text = f"a number from {lowest:g} to {highest:g}{unit and f' ({unit})'}"
    return Field(ge=lowest, le=highest, allow_inf_nan=False, description=text)


def whole(lowest: int, highest: int, unit: str = "") -> Any:
    """An int in [lowest, highest]."""
    text = f"a whole number from {lowest} to {highest}{unit and f' ({unit})'}"
    return Field(ge=lowest, le=highest, description=text)


Seed = Annotated[int, whole(0, 2**32 - 1)]
LearningRate = Annotated[
    float, Field(gt=0, le=10, allow_inf_nan=False, description="a number above 0, at most 10")
]
Switch = Annotated[bool, Field(description="true or false")]


class Section(BaseModel):
    """Values of the very types that are written here, none missing and none beside them."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @classmethod
    def part_of(cls, whole: "Section", **others: Any) -> Self:
        """The section whose values `whole` has, a section of more fields, and `others`."""
        names = [key for key in cls.model_fields if key not in others and hasattr(whole, key)]
        return cls(**{key: getattr(whole, key) for key in names}, **others)


class Network(Section):
    """Which network; its kind of convolution is named apart."""

    network: Annotated[
        str,
        Field(
            pattern=r"^(small|post|wrn-\d{1,3}-\d{1,2}|resnet-(18|34|50))$",
            description="one of small, post, wrn-<depth>-<width>, resnet-18, resnet-34, resnet-50",
        ),
    ]
    width: Annotated[int, whole(4, 256, "channels of the first stage")]
    blocks: Annotated[int, whole(1, 12, "residual blocks a stage")]
    level: Annotated[int, whole(1, 5)] | Literal["progressive"] | None = Field(
        description="null (every frequency), a whole number from 1 to 5, or progressive"
    )
    norm: Literal["ortho", "l1", "none"]
    transform: Literal["dct1", "dct2", "dct3", "dct4", "random"]
    batch_norm: Literal["none", "first", "all"]
    dropout: Annotated[float, number(0, 0.9, "share of features")]
    binarize: Literal["none", "binary", "ternary"]
    binarize_layers: Literal["inner", "all"]

    @model_validator(mode="after")
    def a_network_that_exists(self) -> Self:
        depth = re.match(r"wrn-(\d+)-(\d+)", self.network)
        if depth and (int(depth[1]) < 10 or int(depth[1]) % 6 != 4 or int(depth[2]) < 1):
            raise ValueError(f"network ({self.network}): depth 10, 16, 22, 28, … and a width of 1")
        if self.network.startswith("resnet") and self.dropout:
            raise ValueError(f"dropout ({self.dropout:g}) must be 0 with network {self.network}")
        return self

    def options(self, image_size: int) -> dict[str, Any]:
        """The keyword arguments of `build_network`; the same for both kinds of convolution."""
        names = [
            "level",
            "norm",
            "transform",
            "batch_norm",
            "dropout",
            "binarize",
            "binarize_layers",
        ]
        if self.network.startswith("resnet"):
            names.remove("dropout")
        if self.network == "small":
            names += ["width", "blocks"]
        found = {name: getattr(self, name) for name in names}
        # The linear layers of the post's network fit one image size.
        return found | ({"image_size": image_size} if self.network == "post" else {})


class Augmentation(Section):
    """How far an image may be changed; all zero leaves flips and rotations alone."""

    zoom: Annotated[float, number(0, 0.5, "largest relative change of scale")]
    shift: Annotated[float, number(0, 0.5, "largest shift, share of the image side")]
    colour: Annotated[float, number(0, 0.5, "largest relative change")]
    erasing: Annotated[float, number(0, 1, "share of the images")]


class Mixing(Section):
    """How strongly images are mixed; with both on, each image is mixed in one way by lot."""

    mixup: Annotated[float, number(0, 10, "α of a Beta distribution; 0: off")]
    cutmix: Annotated[float, number(0, 10, "α of a Beta distribution; 0: off")]


class Step(Mixing, Augmentation):
    """What one optimizer step is, whatever the learning rate, seed and batch size."""

    precision: Literal["auto", "float32", "bfloat16"]
    optimizer: Literal["adam", "adamw", "sgd"]
    weight_decay: Annotated[float, number(0, 1)]
    clip: Annotated[float, number(0.01, 1000, "largest gradient norm")]
    imbalance: Literal["logit_adjustment", "class_weights", "focal", "resampling", "none"]
    focal_gamma: Annotated[float, number(0, 10)]
    label_smoothing: Annotated[float, number(0, 0.5)]
    compile: Switch


class Recipe(Step):
    """All that find_lr and train must agree on.

    What has a value here is of published protocols; params.yaml has no key for it.
    """

    seed: Seed
    batch_size: Annotated[int, whole(2, 65_536, "images")]
    moves: Literal["rotations", "crops", "none"] = "rotations"
    """rotations: as zoom and shift say. crops: see `harmonic.learning.draws.affine_matrices`."""
    loss: Literal["softmax", "sigmoid"] = "softmax"
    nesterov: bool = True
    """Of optimizer=sgd."""
    decay_all: bool = False
    """Whether weight decay acts on biases and batch norm, too."""


class Averaging(Section):
    """How the learning rate runs, and over how many steps weights are averaged."""

    schedule: Literal["cosine", "one_cycle", "constant"]
    """cosine: a linear rise over the warm-up, then half a cosine towards 0. one_cycle: half a
    cosine up from lr / 25 and one down to lr / 250,000, while the momentum falls from 0.95 to 0.85
    and rises again (Smith and Topin 2017, arXiv 1708.07120, in the form of torch's OneCycleLR).
    constant: the rise, then lr."""
    warmup: Annotated[float, number(0, 0.5, "share of all steps")]
    ema: Annotated[float, number(0, 0.99999, "decay a step")]


class Schedule(Averaging):
    """The same with the length of training and the peak rate."""

    epochs: Annotated[int, whole(1, 10_000, "passes over the training set")]
    lr: LearningRate
    chosen_by: str | None = "val_balanced_accuracy"
    """The figure of the history whose highest value chooses the epoch; None keeps the last."""

    def rate_at(self, step: int, steps: int) -> float:
        """The learning rate of a step, counted from 0."""
        if self.schedule == "one_cycle":
            return self.cycled(self.lr / 25, self.lr, self.lr / 250_000, step, steps)
        rise = round(self.warmup * steps)
        if step < rise:
            return self.lr * (step + 1) / rise
        if self.schedule == "constant":
            return self.lr
        progress = (step - rise) / max(1, steps - rise)
        return half_cosine(self.lr, 0.0, progress)

    def momentum_at(self, step: int, steps: int) -> float | None:
        """The momentum of a step; None where it stays what the optimizer began with."""
        return self.cycled(0.95, 0.85, 0.95, step, steps) if self.schedule == "one_cycle" else None

    def cycled(self, first: float, peak: float, last: float, step: int, steps: int) -> float:
        turn = self.warmup * steps - 1
        if step <= turn:
            return half_cosine(first, peak, step / turn if turn else 1.0)
        return half_cosine(peak, last, (step - turn) / max(1.0, steps - 1 - turn))


def half_cosine(first: float, last: float, progress: float) -> float:
    """From `first` to `last` as progress goes from 0 to 1, level at both ends."""
    return last + (first - last) * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class Plan:
    """All that a training depends on but for its data."""

    network: str
    conv: Literal["harmonic", "plain"]
    options: Mapping[str, Any]
    """Keyword arguments of `build_network`."""
    image_size: int
    aspect: Literal["squash", "crop", "pad"]
    hair_method: str
    """With size and aspect: how the images were made, which a model file has to say."""
    recipe: Recipe
    schedule: Schedule
    views: Literal[1, 8]
    """Of an image, when the temperature is fitted and the network is used."""
    source: str
    """Where the images come from, as params.yaml has it; said in the model file."""
