"""params.yaml as typed, checked objects; no defaults here, and descriptions are what errors quote.

Every stage checks the whole file before it does anything else, so that a mistake in a key that is
needed an hour later stops the first stage within a second.
"""

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from harmonic.errors import InputError
from harmonic.learning.settings import (
    Averaging,
    LearningRate,
    Network,
    Section,
    Seed,
    Step,
    Switch,
    number,
    whole,
)
from harmonic.model_file.description import Views, of_type
from harmonic.reading import content_of, yaml_in

TORCHRUN_OPTIONS = (
    "nnodes|nproc[-_]per[-_]node|node[-_]rank|master[-_]addr|master[-_]port|local[-_]addr"
    "|rdzv[-_](id|backend|endpoint|conf)|max[-_]restarts"
)
"""Those that say which processes there are; none that would start another program."""
WORD = r"[A-Za-z0-9_./:\[][A-Za-z0-9_./:,=\[\]-]*"

Share = Annotated[float, number(0.02, 0.45, "share of the images")]
Resamples = Annotated[int, whole(100, 100_000, "bootstrap resamples")]


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
    val: Share
    test: Share | Literal[0] = Field(
        description="0 (train on all that is not val) or a number from 0.02 to 0.45 (share of the "
        "images)"
    )
    folds: Annotated[int, whole(2, 20)] | None = Field(
        description="null (no cross-validation) or a whole number from 2 to 20 (folds)"
    )
    fold: Annotated[int, whole(0, 19, "counted from 0; below split.folds")]
    stable: Switch

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


class Train(Averaging, Step, Network):
    launcher: str = Field(
        pattern=rf"^(python|torchrun( --standalone| --({TORCHRUN_OPTIONS})[= ]{WORD})*)$",
        description="python, or torchrun and how many processes: "
        "torchrun --standalone --nproc-per-node 2",
    )


class Evaluate(Section):
    views: Views = Field(description="1 (as it is) or 8 (all flips and quarter turns)")
    resamples: Resamples
    seed: Seed


class Compress(Section):
    epochs: Annotated[int, whole(0, 1000, "passes over the training set")]
    lr: LearningRate
    calibration_images: Annotated[int, whole(1, 10_000, "images")]
    resamples: Resamples
    seed: Seed


class Report(Section):
    baseline: str | None = Field(
        min_length=1,
        max_length=500,
        description="null (no baseline) or a DVC experiment, revision or folder of another run",
    )


class Params(Section):
    source: Literal["sample", "archive", "kaggle", "dataverse", "isic"]
    archive: str = Field(pattern=r"^[^\x00-\x1f]+$", description="the path of a zip file or folder")
    seed: Seed
    model: Literal["harmonic", "cnn"]
    lr: LearningRate
    epochs: Annotated[int, whole(1, 10_000, "passes over the training set")]
    batch_size: Annotated[int, whole(2, 65_536, "images")]
    image_size: Annotated[int, whole(28, 224, "pixels")]
    device: str = Field(
        pattern=r"^(auto|cpu|cuda|cuda:\d{1,3})$", description="one of auto, cpu, cuda, cuda:N"
    )
    exact: Annotated[Literal["auto", True, False], of_type(str, bool)] = Field(
        description="one of auto, true, false"
    )
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
    """Read and check a params.yaml (YAML 1.2: `1e-4` is a number); InputError names the key."""
    if not path.exists():
        raise InputError(f"{path} is not there: run this from the top folder of the project")
    tree = yaml_in(content_of(path), str(path))
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
        others = len({tuple(keys_of(found)) for found in problems}) - 1
        more = f" (and {others} more)" if others else ""
        raise InputError(f"{name}: {described(problems[0])}{more}") from None


def described(problem: Any) -> str:
    """One of pydantic's findings as a line for the person who typed the value."""
    if problem["type"] == "invalid_key":
        return f"key {shown(problem['loc'][-1])} is no text; keys are names such as lr"
    *section, last = keys_of(problem)
    key = ".".join([*section, last])
    if problem["type"] == "value_error":
        return f"{key}: {problem['ctx']['error']}"
    fields = (section_called(*section) if section else Params).model_fields
    if problem["type"] == "extra_forbidden":
        if close := difflib.get_close_matches(last, fields, n=1):
            return f"unknown key {key}; did you mean {'.'.join([*section, *close])}?"
        return f"unknown key {key}; known here: {', '.join(fields)}"
    allowed = fields[last].description or "a section of keys and values"
    if fields[last].description is None and get_origin(fields[last].annotation) is Literal:
        allowed = "one of " + ", ".join(get_args(fields[last].annotation))
    if problem["type"] == "missing":
        return f"{key} is missing; it must be {allowed}"
    return f"{key} is {shown(problem['input'])}; it must be {allowed}"


def keys_of(problem: Any) -> list[str]:
    """The key that a finding is about, after its section, without pydantic's alternatives."""
    first, *rest = map(str, problem["loc"])
    return [first, *rest[:1]] if section_called(first) is not Params else [first]


def section_called(name: str) -> type[Section]:
    """The section that a key holds; Params where it holds none."""
    found = getattr(Params.model_fields.get(name), "annotation", None)
    return found if isinstance(found, type) and issubclass(found, Section) else Params


def shown(value: Any) -> str:
    text = repr(value)
    return f"{text[:60]}…" if len(text) > 60 else text
