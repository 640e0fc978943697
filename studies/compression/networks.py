"""From the networks of a study to a folder for every smaller form of each, measured."""

import hashlib
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

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.data.metadata import read_table
from harmonic.deploy.compression import AFTER, TRAINED, balanced_choice
from harmonic.deploy.variants import BINARIES, Variant, outputs, parameters, stored, variants
from harmonic.errors import InputError
from harmonic.evaluation.run_folder import folder_name, write_run
from harmonic.evaluation.runs import Run, read_runs
from harmonic.learning.device import choose_device
from harmonic.learning.fit import HISTORY, MODEL, fine_tune
from harmonic.model_file.description import Description, Storage
from harmonic.model_file.safetensors_file import load_model
from harmonic.nn.binary import quantised_layers
from stages.harness.params import load_params
from stages.harness.partial import claimed
from stages.training import recipe_of
from studies.data import Images

BASES = ("harmonic", "cnn")
FAMILIES = ("level", "binary", "ternary")
"""What an arm's name says after its base, where it was trained in a smaller form."""
CALIBRATION_IMAGES = 128
TOLD = ("val_balanced_accuracy", "val_macro_auc")
"""What run.json says of the best epoch, as the history does."""


@dataclass(frozen=True)
class Network:
    """A trained network of a study."""

    run: Run
    work: Path
    """The folder of its training, which links to its images and split."""

    @property
    def arm(self) -> str:
        return self.run.traits["arm"]

    @property
    def form(self) -> str:
        """The smaller form in which it was trained; empty for a whole network."""
        return self.arm.partition("-")[2]

    def parameters(self) -> Path:
        return (self.run.folder or Path()) / "params.yaml"


@dataclass(frozen=True)
class Options:
    """Of the fine-tuning, and of the answers."""

    epochs: int
    lr: float
    views: int
    device: str


def is_comparable(arm: str) -> bool:
    base, _, form = arm.partition("-")
    return base in BASES and (not form or form.startswith(FAMILIES))


def chosen_runs(runs: Sequence[Run], preset: str, data: str | None, work: Path) -> list[Network]:
    """A preset's networks on one data set, whole ones first; InputError if mixed or gone."""
    chosen = [run for run in runs if run.fold is None and is_comparable(run.traits["arm"])]
    chosen = [run for run in chosen if data in (None, run.record.get("data"))]
    if not chosen:
        raise InputError(f"no run of {preset}: train some with `python -m studies run {preset}`")
    if len(sets := sorted({str(run.record.get("data")) for run in chosen})) > 1:
        raise InputError(f"runs of {preset} are of data {', '.join(sets)}; --data?")
    found = []
    for run in chosen:
        place = work / preset / sets[0] / folder_name(run.traits["arm"], run.seed)
        places = [one.parent for one in place.parent.glob(f"{place.name}-*/{MODEL}")]
        trained = [one for one in places if was_trained_in(run, one)]
        if len(trained) != 1:
            raise InputError(
                f"{place}-*: {len(trained)} networks of this run, by their {HISTORY}, one is "
                "needed; --work names the folder of runs"
            )
        found.append(Network(run, trained[0]))
    return sorted(found, key=lambda one: (bool(one.form), one.arm, one.run.seed))


def was_trained_in(run: Run, work: Path) -> bool:
    """Whether the history in a folder of unfinished work is that of which run.json tells."""
    if not (work / HISTORY).is_file():
        return False
    history = read_table(work / HISTORY, ("epoch", *TOLD)).astype(float)
    found = history[history.epoch == run.record.get("best_epoch")]
    told = [[run.record.get(name) for name in TOLD]]
    return len(history) == run.record.get("epochs") and found[[*TOLD]].values.tolist() == told


def files_of(
    network: Network,
    model: nn.Module,
    description: Description,
    data: LabelledImages,
    folder: Path,
    options: Options,
) -> Iterator[tuple[Variant, str]]:
    """A network's files, and when each was made small."""
    if network.form:
        kinds = set(quantised_layers(model).values())
        name = kinds.pop() if kinds else network.form.replace("level", "level ")
        storage: Storage = "packed" if name in BINARIES else "float32"
        yield stored(folder, name, model, description, storage), TRAINED
        return

    def tune(changed: nn.Module, name: str) -> nn.Module:
        return fine_tune(
            changed, data.part("train"), data.part("val"), description.statistics(),
            recipe_of(load_params(network.parameters())),
            epochs=options.epochs, lr=options.lr, device=choose_device(options.device),
            checkpoint=folder / f"{name.replace(' ', '-')}.checkpoint",
        )  # fmt: skip

    images = data.part("train").images[:CALIBRATION_IMAGES]
    tuned = tune if options.epochs else None
    for variant in variants(model, description, folder, images, tuned, options.epochs):
        when = f"then {variant.epochs} epochs" if variant.epochs else AFTER
        yield variant, "" if variant.weights == "float32" else when


def measure(network: Network, options: Options, runs: Path, commit: str) -> str:
    """Write a folder for each file of a network; says what happened. A killed one goes on."""
    run = network.run
    study, digest = f"{run.traits['study']}-compressed", str(run.record["data"])
    told = [commit, options.epochs, options.lr, options.views, options.device]
    place = network.work / f"compressed-{hashlib.sha256(repr(told).encode()).hexdigest()[:8]}"
    with claimed(place) as mine:
        if not mine:
            return "another process is at it"
        last = name_of(network, BINARIES[-1], options.epochs)
        if is_made(runs / study / folder_name(last, run.seed), run, options):  # has the others, too
            return "is there"
        model, description = load_model(network.work / MODEL)
        data = Images(network.work / "data", digest).read()
        test, count = data.part("test"), 0
        for variant, when in files_of(network, model, description, data, place, options):
            arm = name_of(network, variant.weights, variant.epochs)
            folder, count = runs / study / folder_name(arm, run.seed), count + 1
            if is_made(folder, run, options):
                continue
            logits = outputs(variant, test.images, choose_device(options.device), options.views)
            chosen = balanced_choice(logits, description.class_counts, description.imbalance)
            made = {
                "arm": network.arm,
                "weights": variant.weights,
                "made": when,
                "epochs": variant.epochs,
                "lr": options.lr if variant.epochs else None,
                "views": options.views,
            }
            record: dict[str, Any] = {
                "study": study,
                "arm": arm,
                "seed": run.seed,
                "commit": commit,
                "data": digest,
                "device": options.device,
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
                "parameters": parameters(variant, model),
                "bytes": variant.path.stat().st_size,
            }
            params = YAML(typ="safe", pure=True).load(network.parameters())
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


def is_made(folder: Path, run: Run, options: Options) -> bool:
    """Whether a file has its folder; InputError where that is of other options, data or network."""
    if not folder.is_dir():
        return False
    (made,) = read_runs([str(folder)], answers=False)
    found = {"data": str(made.record["data"]), **made.traits}
    wanted = {"data": str(run.record["data"]), **run.traits}
    names = ("views", "lr") if made.traits["compressed.epochs"] != "0" else ("views",)
    wanted |= {f"compressed.{name}": str(getattr(options, name)) for name in names}
    for name, value in wanted.items():
        if name not in ("study", "arm") and found.get(name, value) != value:
            raise InputError(f"{folder}: is of {name} {found[name]}, not {value}; move it away")
    return True


def name_of(network: Network, weights: str, tuned: int) -> str:
    """The arm that a file is: harmonic-int8, harmonic-level-2-tuned2, harmonic-binary-trained."""
    if network.form:
        return f"{network.arm}-trained"
    return f"{network.arm}-{weights.replace(' ', '-')}" + (f"-tuned{tuned}" if tuned else "")
