"""From the networks of a study to a folder for every smaller form of each, measured."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from ruamel.yaml import YAML
from torch import nn

from harmonic.data.arrays import LabelledImages, read_labelled_images
from harmonic.data.classes import CLASSES
from harmonic.deploy.compression import AFTER, TRAINED, balanced_choice
from harmonic.deploy.variants import BINARIES, Variant, outputs, parameters, stored, variants
from harmonic.errors import InputError
from harmonic.evaluation.run_folder import folder_name, write_run
from harmonic.evaluation.runs import Run
from harmonic.learning.device import choose_device
from harmonic.learning.fit import MODEL, fine_tune
from harmonic.model_file.description import Description
from harmonic.model_file.safetensors_file import load_model
from harmonic.nn.binary import quantised_layers
from stages.harness.params import load_params
from stages.harness.partial import claimed
from stages.training import recipe_of
from studies.data import leaves

BASES = ("harmonic", "cnn")
FAMILIES = ("level", "binary", "ternary")
"""What an arm's name says after its base, where it was trained in a smaller form."""
CALIBRATION_IMAGES = 128
DATA = "data"
"""A link in the folder of a run's work to the folder of its images and split."""


@dataclass(frozen=True)
class Network:
    """A trained network of a study."""

    arm: str
    base: str
    seed: int
    data: str
    work: Path
    """The folder of its training."""
    run: Path
    """The folder of its run."""

    def images(self) -> LabelledImages:
        place = self.work / DATA
        return read_labelled_images(place / "images.npy", place / "split.csv")


@dataclass(frozen=True)
class Options:
    """Of the fine-tuning, and of the answers."""

    epochs: int
    lr: float
    views: int
    device: str


def is_comparable(arm: str) -> bool:
    base, _, rest = arm.partition("-")
    return base in BASES and (not rest or rest.startswith(FAMILIES))


def chosen_runs(runs: Sequence[Run], preset: str, data: str | None, work: Path) -> list[Network]:
    """Networks of a preset on one data set that are worth comparing, bases first.

    Raises InputError where there is none, where data sets would be mixed, or a network is gone.
    """
    chosen = [run for run in runs if run.fold is None and is_comparable(run.traits["arm"])]
    if data is not None:
        chosen = [run for run in chosen if run.record.get("data") == data]
    if not chosen:
        raise InputError(f"no run of {preset}: train some with `python -m studies run {preset}`")
    if len(sets := sorted({str(run.record.get("data")) for run in chosen})) > 1:
        raise InputError(f"runs of {preset} are of data {', '.join(sets)}; --data?")
    found = []
    for run in chosen:
        arm, name = run.traits["arm"], folder_name(run.traits["arm"], run.seed)
        places = sorted((work / preset / sets[0]).glob(f"{name}-*/{MODEL}"))
        if len(places) != 1 or run.folder is None:
            place = work / preset / sets[0] / name
            raise InputError(
                f"{place}-*: {len(places)} networks, one is needed; --work names the folder of runs"
            )
        base = arm.partition("-")[0]
        found.append(Network(arm, base, run.seed, sets[0], places[0].parent, run.folder))
    return sorted(found, key=lambda one: (one.arm != one.base, one.arm, one.seed))


def files_of(
    run: Network, model: nn.Module, description: Description, folder: Path, options: Options
) -> Iterator[tuple[Variant, str]]:
    """A run's files, and when each was made small."""
    if run.arm != run.base:
        kinds = set(quantised_layers(model).values())
        if kinds:
            yield stored(folder, kinds.pop(), model, description, "packed"), TRAINED
        else:
            name = run.arm.partition("-")[2].replace("level", "level ")
            yield stored(folder, name, model, description, "float32"), TRAINED
        return
    data = run.images()
    device = choose_device(options.device)

    def tune(changed: nn.Module, name: str) -> nn.Module:
        return fine_tune(
            changed, data.part("train"), data.part("val"), description.statistics(),
            recipe_of(load_params(run.run / "params.yaml")),
            epochs=options.epochs, lr=options.lr, device=device,
            checkpoint=folder / f"{name.replace(' ', '-')}.checkpoint",
        )  # fmt: skip

    images = data.part("train").images[:CALIBRATION_IMAGES]
    tuned = tune if options.epochs else None
    for variant in variants(model, description, folder, images, tuned, options.epochs):
        when = f"then {variant.epochs} epochs" if variant.epochs else AFTER
        yield variant, "" if variant.weights == "float32" else when


def measure(run: Network, options: Options, runs: Path, commit: str) -> str:
    """Write a folder for each file of one network; returns what happened, in a few words.

    A killed one goes on from the fine-tuning's last epoch.
    """
    study = runs / f"{run.run.parent.name}-compressed"
    told = [commit, options.epochs, options.lr, options.views, options.device]
    place = run.work / f"compressed-{hashlib.sha256(repr(told).encode()).hexdigest()[:8]}"
    with claimed(place) as mine:
        if not mine:
            return "another process is at it"
        last = study / folder_name(name_of(run, BINARIES[-1], options.epochs), run.seed)
        if is_made(last, run, options):  # has the others, too
            return "is there"
        model, description = load_model(run.work / MODEL)
        test = run.images().part("test")
        params = YAML(typ="safe", pure=True).load(run.run / "params.yaml")
        count = 0
        for variant, when in files_of(run, model, description, place, options):
            arm = name_of(run, variant.weights, variant.epochs)
            folder = study / folder_name(arm, run.seed)
            count += 1
            if is_made(folder, run, options):
                continue
            logits = outputs(variant, test.images, choose_device(options.device), options.views)
            chosen = balanced_choice(logits, description.class_counts, description.imbalance)
            made = {
                "arm": run.arm,
                "weights": variant.weights,
                "made": when,
                "epochs": variant.epochs,
                "lr": options.lr if variant.epochs else None,
                "views": options.views,
            }
            record: dict[str, Any] = {
                "study": study.name,
                "arm": arm,
                "seed": run.seed,
                "commit": commit,
                "data": run.data,
                "device": options.device,
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
                "parameters": parameters(variant, model),
                "bytes": variant.path.stat().st_size,
            }
            answers = pd.DataFrame({"image": test.image_ids, "answer": np.array(CLASSES)[chosen]})
            write_run(
                folder,
                params=params | {"compressed": made},
                record=record,
                figures={},
                answers=answers,
            )
    shutil.rmtree(place)
    return f"{count} files"


def is_made(folder: Path, run: Network, options: Options) -> bool:
    """Whether a file has its folder.

    Raises InputError where that is of other options, or of a network on other data or of other
    parameters.
    """
    if not folder.is_dir():
        return False
    kept, params = (
        YAML(typ="safe", pure=True).load(place / "params.yaml") for place in (folder, run.run)
    )
    made = kept.pop("compressed")
    found = {"data": json.loads((folder / "run.json").read_text("utf-8"))["data"]} | leaves(kept)
    wanted = {"data": run.data} | leaves(params)
    for name in ("views", "lr") if made["epochs"] else ("views",):
        key = f"compressed.{name}"
        found[key], wanted[key] = made[name], getattr(options, name)
    for name, value in wanted.items():
        if found.get(name, value) != value:
            raise InputError(f"{folder}: is of {name} {found[name]}, not {value}; move it away")
    return True


def name_of(run: Network, weights: str, tuned: int) -> str:
    """The arm that a file is: harmonic-int8, harmonic-level-2-tuned2, harmonic-binary-trained."""
    if run.arm != run.base:
        return f"{run.arm}-trained"
    return f"{run.arm}-{weights.replace(' ', '-')}" + (f"-tuned{tuned}" if tuned else "")
