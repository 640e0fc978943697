"""params.yaml as typed, checked objects.

Every stage checks the whole file before it does anything else, so that a mistake in a key that is
needed an hour later stops the first stage within a second. There are no defaults here: params.yaml
is the one place where values stand, and the descriptions below are what the error messages quote.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from harmonic.errors import InputError


def number(lowest: float, highest: float, unit: str = "") -> Any:
    """A finite float in [lowest, highest]."""
    text = f"a number from {lowest:g} to {highest:g}{unit and f' ({unit})'}"
    return Field(ge=lowest, le=highest, allow_inf_nan=False, description=text)


def whole(lowest: int, highest: int, unit: str = "") -> Any:
    """An int in [lowest, highest]."""
    text = f"a whole number from {lowest} to {highest}{unit and f' ({unit})'}"
    return Field(ge=lowest, le=highest, description=text)


TORCHRUN_OPTIONS = (
    "nnodes|nproc[-_]per[-_]node|node[-_]rank|master[-_]addr|master[-_]port|local[-_]addr"
    "|rdzv[-_](id|backend|endpoint|conf)|max[-_]restarts"
)
"""Those that say which processes there are; none that would start another program."""
WORD = r"[A-Za-z0-9_./:\[][A-Za-z0-9_./:,=\[\]-]*"

Seed = Annotated[int, whole(0, 2**32 - 1)]
LearningRate = Annotated[
    float, Field(gt=0, le=10, allow_inf_nan=False, description="a number above 0, at most 10")
]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Download(Section):
    seed: Seed
    images: Annotated[int, whole(200, 20000, "images")]


class RemoveHair(Section):
    method: Literal["none", "luv-closing", "dullrazor", "directional"]
    cluster: str | None = Field(
        pattern=r"^(tcp|tls|ws|wss)://\S+$",
        description="null (every core here) or the address of a Dask scheduler, tcp://host:8786",
    )


class Resize(Section):
    aspect: Literal["squash", "crop", "pad"]


class Split(Section):
    seed: Seed
    by: Literal["lesion", "image"]
    val: Annotated[float, number(0.02, 0.45, "share of the images")]
    test: Annotated[float, number(0.02, 0.45, "share of the images")]
    folds: Annotated[int, whole(2, 20)] | None = Field(
        description="null (no cross-validation) or a whole number from 2 to 20 (folds)"
    )
    fold: Annotated[int, whole(0, 19, "counted from 0; below split.folds")]
    stable: Annotated[bool, Field(description="true or false")]

    @model_validator(mode="after")
    def fold_among_folds(self) -> Self:
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError(f"fold ({self.fold}) must be below folds ({self.folds})")
        return self


class FindLr(Section):
    steps: Annotated[int, whole(20, 5000, "optimizer steps")]
    lowest: LearningRate
    highest: LearningRate

    @model_validator(mode="after")
    def rising(self) -> Self:
        if not self.lowest < self.highest:
            raise ValueError(f"lowest ({self.lowest:g}) must be below highest ({self.highest:g})")
        return self


class Train(Section):
    network: Literal["small", "post"]
    width: Annotated[int, whole(4, 256, "channels of the first stage")]
    blocks: Annotated[int, whole(1, 12, "residual blocks a stage")]
    level: Annotated[int, whole(1, 5)] | None = Field(
        description="null (every frequency) or a whole number from 1 to 5"
    )
    norm: Literal["ortho", "l1", "none"]
    batch_norm: Literal["none", "first", "all"]
    dropout: Annotated[float, number(0, 0.9, "share of features")]
    binarize: Literal["none", "binary", "ternary"]
    binarize_layers: Literal["inner", "all"]
    precision: Literal["auto", "float32", "bfloat16"]
    optimizer: Literal["adam", "adamw", "sgd"]
    weight_decay: Annotated[float, number(0, 1)]
    schedule: Literal["cosine", "one_cycle"]
    warmup: Annotated[float, number(0, 0.5, "share of all steps")]
    clip: Annotated[float, number(0.01, 1000, "largest gradient norm")]
    ema: Annotated[float, number(0, 0.99999, "decay a step")]
    imbalance: Literal["logit_adjustment", "class_weights", "focal", "none"]
    focal_gamma: Annotated[float, number(0, 10)]
    label_smoothing: Annotated[float, number(0, 0.5)]
    zoom: Annotated[float, number(0, 0.5, "largest relative change of scale")]
    shift: Annotated[float, number(0, 0.5, "largest shift, share of the image side")]
    colour: Annotated[float, number(0, 0.5, "largest relative change")]
    erasing: Annotated[float, number(0, 1, "share of the images")]
    mixup: Annotated[float, number(0, 10, "α of a Beta distribution; 0: off")]
    cutmix: Annotated[float, number(0, 10, "α of a Beta distribution; 0: off")]
    compile: Annotated[bool, Field(description="true or false")]
    launcher: Annotated[
        str,
        Field(
            pattern=rf"^(python|torchrun( --standalone| --({TORCHRUN_OPTIONS})[= ]{WORD})*)$",
            description="python, or torchrun and how many processes: "
            "torchrun --standalone --nproc-per-node 2",
        ),
    ]


class Evaluate(Section):
    views: Literal[1, 8] = Field(description="1 (as it is) or 8 (all flips and quarter turns)")
    resamples: Annotated[int, whole(100, 100_000, "bootstrap resamples")]
    seed: Seed


class Compress(Section):
    epochs: Annotated[int, whole(0, 1000, "passes over the training set")]
    lr: LearningRate
    calibration_images: Annotated[int, whole(1, 10_000, "images")]
    resamples: Annotated[int, whole(100, 100_000, "bootstrap resamples")]
    seed: Seed


class Report(Section):
    baseline: str | None = Field(
        min_length=1,
        max_length=500,
        description="null (no baseline) or a DVC experiment, revision or folder of another run",
    )


class Params(Section):
    source: Literal["sample", "archive", "kaggle", "dataverse", "isic"]
    archive: Annotated[
        str,
        Field(pattern=r"^[^\x00-\x1f]+$", description="the path of a zip file or folder"),
    ]
    seed: Seed
    model: Literal["harmonic", "cnn"]
    lr: LearningRate
    epochs: Annotated[int, whole(1, 10_000, "passes over the training set")]
    batch_size: Annotated[int, whole(2, 65_536, "images")]
    image_size: Annotated[int, whole(28, 224, "pixels")]
    device: Annotated[
        str,
        Field(
            pattern=r"^(auto|cpu|cuda|cuda:\d{1,3})$", description="one of auto, cpu, cuda, cuda:N"
        ),
    ]
    exact: Literal["auto", True, False] = Field(description="one of auto, true, false")
    download: Download
    remove_hair: RemoveHair
    resize: Resize
    split: Split
    find_lr: FindLr
    train: Train
    evaluate: Evaluate
    compress: Compress
    report: Report

    @field_validator("exact")
    @classmethod
    def exact_on_the_cpu(cls, exact: Any, others: ValidationInfo) -> Any:
        if exact is True and others.data.get("device", "cpu") not in ("auto", "cpu"):
            raise ValueError(f"true needs device auto or cpu, not {others.data['device']}")
        return exact

    def value_of(self, dotted: str) -> Any:
        """The value behind a key as dvc.yaml writes it: "lr", "split.seed", or a whole section."""
        found: Any = self.model_dump()
        for part in dotted.split("."):
            found = found[part]
        return found


def load_params(path: Path) -> Params:
    """Read and check a params.yaml.

    Read as YAML 1.2, as DVC does: `1e-4` is a number. Raises InputError naming the key, the value
    and what is allowed; where several keys are wrong, the first and how many more.
    """
    try:
        tree = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        raise InputError(
            f"{path} is not there: run this from the top folder of the project"
        ) from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; it must be a file") from None
    except (YAMLError, UnicodeDecodeError) as error:
        place = getattr(error, "problem_mark", None)
        where = f", line {place.line + 1}" if place else ""
        what = getattr(error, "problem", None) or "not UTF-8"
        raise InputError(f"{path}{where}: no valid YAML ({what})") from None
    if not isinstance(tree, dict):
        raise InputError(f"{path}: must be a table of keys and values, found {shown(tree)}")
    return checked_params(tree, str(path))


def checked_params(tree: dict[str, Any], name: str) -> Params:
    """Check what a params.yaml holds; raises InputError as `load_params` does, naming `name`."""
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        # An unknown key explains a missing one more often than the other way round.
        problems = sorted(
            error.errors(include_url=False), key=lambda found: found["type"] != "extra_forbidden"
        )
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise InputError(f"{name}: {described(problems[0])}{more}") from None


def described(problem: Any) -> str:
    """One of pydantic's findings as a line for the person who typed the value."""
    if problem["type"] == "invalid_key":
        return f"key {shown(problem['loc'][-1])} is no text; keys are names such as lr"
    keys = [str(part) for part in problem["loc"] if isinstance(part, str)]
    if problem["type"] == "extra_forbidden":
        *parents, unknown = keys
        known = list(section_at(parents).model_fields)
        close = difflib.get_close_matches(unknown, known, n=1)
        hint = f"did you mean {'.'.join([*parents, close[0]])}?" if close else "known here: "
        return f"unknown key {'.'.join(keys)}; {hint}" + ("" if close else ", ".join(known))
    if problem["type"] == "value_error":
        return f"{'.'.join(keys)}: {problem['ctx']['error']}"
    *parents, last = [key for key in keys if "[" not in key and key not in ("int", "none")]
    allowed = allowed_at(section_at(parents).model_fields[last])
    if problem["type"] == "missing":
        return f"{'.'.join([*parents, last])} is missing; it must be {allowed}"
    return f"{'.'.join([*parents, last])} is {shown(problem['input'])}; it must be {allowed}"


def allowed_at(field: FieldInfo) -> str:
    """What a key may be: its description, or the names of its Literal."""
    if field.description is None and get_origin(field.annotation) is Literal:
        return "one of " + ", ".join(get_args(field.annotation))
    return field.description or "a section of keys and values"


def section_at(keys: list[str]) -> type[BaseModel]:
    section: type[BaseModel] = Params
    for key in keys:
        section = section.model_fields[key].annotation  # type: ignore[assignment]
    return section


def shown(value: Any) -> str:
    text = repr(value)
    return f"{text[:60]}…" if len(text) > 60 else text
