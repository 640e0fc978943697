"""From the grid's networks to rows of results/runs.csv: every smaller form of each, measured."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from benchmarks.grid.record import write_gzipped
from benchmarks.grid.table import add_run, as_text, read_runs
from benchmarks.grid.work import claimed
from harmonic.data.arrays import LabelledImages, read_labelled_images
from harmonic.data.classes import CLASSES
from harmonic.deploy.compression import AFTER, TRAINED, balanced_choice
from harmonic.deploy.variants import Variant, outputs, parameters, stored, variants
from harmonic.errors import InputError
from harmonic.learning.device import choose_device
from harmonic.learning.fine_tune import fine_tune
from harmonic.model_file.description import Description
from harmonic.model_file.safetensors_file import load_model
from harmonic.nn.binary import quantised_layers
from stages.harness.params import load_params
from stages.training import recipe_of

BASES = ("harmonic", "cnn")
FAMILIES = ("level", "binary", "ternary")
"""What an arm's name says after its base, where it was trained in a smaller form."""
CALIBRATION_IMAGES = 128
LAST = "binary"
"""The last of the forms that a network is made smaller to."""


@dataclass(frozen=True)
class Run:
    """A trained network of the runs table."""

    preset: str
    arm: str
    base: str
    seed: int
    data: str
    folder: Path

    def images(self) -> LabelledImages:
        return read_labelled_images(self.folder / "data/images.npy", self.folder / "data/split.csv")


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


def chosen_runs(runs: pd.DataFrame, preset: str, data: str | None, work: Path) -> list[Run]:
    """Runs of a preset on one data set that are worth comparing, bases first.

    Raises InputError where there is none, where data sets would be mixed, or a network is gone.
    """
    rows = runs[(runs.preset == preset) & runs.fold.isna() & runs.arm.map(is_comparable)]
    if data is not None:
        rows = rows[rows.data == data]
    if rows.empty:
        raise InputError(f"no run of {preset} in the table: train some with benchmarks.grid")
    if rows.data.nunique() > 1:
        raise InputError(f"runs of {preset} are of data {', '.join(rows.data.unique())}; --data?")
    found = []
    for row in rows.itertuples():
        folder = work / preset / row.data / f"{row.arm}-seed{row.seed}"
        if not (folder / "models/model.safetensors").is_file():
            raise InputError(f"{folder}: its network is gone; --work names the grid's folder")
        base = str(row.arm).partition("-")[0]
        found.append(Run(preset, str(row.arm), base, int(row.seed), str(row.data), folder))
    return sorted(found, key=lambda run: (run.arm != run.base, run.arm, run.seed))


def files_of(
    run: Run, model: nn.Module, description: Description, folder: Path, options: Options
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
            recipe_of(load_params(run.folder / "params.yaml")),
            epochs=options.epochs, lr=options.lr, device=device,
            checkpoint=folder / f"{name.replace(' ', '-')}.checkpoint",
        )  # fmt: skip

    images = data.part("train").images[:CALIBRATION_IMAGES]
    tuned = tune if options.epochs else None
    for variant in variants(model, description, folder, images, tuned, options.epochs):
        when = f"then {variant.epochs} epochs" if variant.epochs else AFTER
        yield variant, "" if variant.weights == "float32" else when


def measure(run: Run, options: Options, results: Path, commit: str) -> str:
    """Add the rows of one network; returns what happened, in a few words.

    A killed one goes on from the fine-tuning's last epoch.
    """
    place = run.folder / f"compressed-{options.epochs}-{options.lr:g}-{options.views}"
    with claimed(place) as mine:
        if not mine:
            return "is another process's"
        if is_measured(read_runs(results), run, options):
            return "is there"
        model, description = load_model(run.folder / "models/model.safetensors")
        test = run.images().part("test")
        rows = []
        for variant, when in files_of(run, model, description, place, options):
            logits = outputs(variant, test.images, choose_device(options.device), options.views)
            chosen = balanced_choice(logits, description.class_counts, description.imbalance)
            row = key(run, options, variant, when) | {
                "commit": commit,
                "device": options.device,
                "threads": torch.get_num_threads(),
                "torch": torch.__version__,
                "parameters": parameters(variant, model),
                "bytes": variant.path.stat().st_size,
            }
            name = f"{run.arm}-seed{run.seed}-{variant.path.stem}-{run.data}.csv.gz"
            row["answers"] = f"answers/{row['preset']}/{name}"
            answers = pd.DataFrame({"image": test.image_ids, "answer": np.array(CLASSES)[chosen]})
            write_gzipped(results.parent / row["answers"], answers)
            rows.append(row)
        for row in rows:
            add_run(results, row)
    shutil.rmtree(place)
    return f"{len(rows)} files"


def key(run: Run, options: Options, variant: Variant, when: str) -> dict[str, Any]:
    made = {
        "weights": variant.weights,
        "made": when,
        "epochs": variant.epochs,
        "lr": options.lr if variant.epochs else None,
        "views": options.views,
    }
    return {
        "preset": f"{run.preset}-compressed",
        "arm": run.arm,
        "seed": run.seed,
        "fold": None,
        "model": run.base,
        "overrides": as_text(made),
        "data": run.data,
    }


def is_measured(runs: pd.DataFrame, run: Run, options: Options) -> bool:
    """Whether the last of the network's files has its row."""
    for row in runs[runs.preset == f"{run.preset}-compressed"].itertuples():
        if (row.arm, row.seed, row.data) != (run.arm, run.seed, run.data):
            continue
        made = json.loads(row.overrides)
        tuned = made["epochs"] == options.epochs and made["lr"] in (None, options.lr)
        last = run.arm != run.base or (made["weights"] == LAST and tuned)
        if last and made["views"] == options.views:
            return True
    return False
