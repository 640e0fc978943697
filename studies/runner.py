"""From a preset to its runs, and from a run to its folder.

A run works in `<work>/<study>/<data>/<arm>-seed<n>-<digest of its parameters>/`, where a training
that was killed goes on and one that is whole is not done again, and keeps its network there. Its
folder below results/runs is written whole, last.
"""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from ruamel.yaml import YAML

from harmonic.data.arrays import LabelledImages, data_digest, read_labelled_images
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.predictions import HEADER
from harmonic.evaluation.run_folder import folder_name, keep_truth, write_json, write_run
from harmonic.evaluation.scores import scores_of
from harmonic.learning.batches import predict_logits
from harmonic.learning.device import choose_device
from harmonic.learning.fit import CHECKPOINT, HISTORY, MODEL, fit
from harmonic.model_file.description import calibration_of
from harmonic.model_file.safetensors_file import load_model
from stages.harness.exact import compute_exactly, device_of
from stages.harness.params import Params, checked_params
from stages.training import plan_of
from studies.data import Tree, claimed, link, overridden, prepared_data, value_of
from studies.presets import PRESETS, Overrides

MACHINE = "machine.json"
"""What a training says of its machine and its speed, in the folder of its work."""


@dataclass(frozen=True)
class Places:
    """Where studies read and write."""

    archive: Path
    work: Path
    runs: Path
    commit: str


@dataclass(frozen=True)
class Planned:
    """One run, before it knows its data."""

    study: str
    arm: str
    seed: int
    fold: int | None
    overrides: Overrides
    """What differs from params.yaml."""
    evaluated: bool = True
    own: Mapping[str, Any] = field(default_factory=dict)
    """A section that the study adds to the parameters of its runs, by its name."""

    @property
    def name(self) -> str:
        return folder_name(self.arm, self.seed, self.fold)

    def folder(self, runs: Path) -> Path:
        return runs / self.study / self.name

    def params(self, archive: Path) -> Tree:
        return overridden(self.overrides | {"archive": str(archive)})


def runs_of(preset: str, arms: Sequence[str], seeds: Sequence[int], folds: int) -> list[Planned]:
    """Every run asked for: all arms of one seed before the next seed, so that pairs come early."""
    chosen = PRESETS[preset]
    for arm in arms:
        if arm not in chosen.arms:
            raise InputError(f"--arms {arm} is not in {preset}; it has {', '.join(chosen.arms)}")
    runs = []
    for seed, fold, arm in product(seeds, range(folds) if folds else (None,), arms):
        overrides = chosen.base | chosen.arms[arm] | {"seed": seed}
        if fold is not None:
            overrides |= {"split.folds": folds, "split.fold": fold}
        overridden(overrides)  # what is not allowed is told before anything runs
        runs.append(Planned(preset, arm, seed, fold, overrides, chosen.evaluated))
    return runs


def is_finished(run: Planned, runs: Path, digest: str | None = None) -> bool:
    """Whether the run has its folder.

    Raises InputError where that folder is of other parameters or, with `digest`, of other data: a
    result is never taken for another's, nor written over.
    """
    folder = run.folder(runs)
    if not folder.exists():
        return False
    with (folder / "params.yaml").open(encoding="utf-8") as file:
        params = YAML(typ="safe", pure=True).load(file)
    for key, value in {**run.overrides, **run.own}.items():
        if key == "archive":
            continue
        try:
            found = value_of(params, key)
        except KeyError:
            found = "not there"
        if found != value:
            raise InputError(f"{folder}: is of {key} {found}, this is of {value}; move it away")
    data = json.loads((folder / "run.json").read_text(encoding="utf-8")).get("data")
    if digest is not None and data != digest:
        raise InputError(f"{folder}: is of data {data}, these are {digest}; move it away")
    return True


def do(run: Planned, places: Places) -> str:
    """Do one run of a preset unless its folder is there; returns what happened, in a few words."""
    tree = run.params(places.archive)
    place = prepared_data(places.work, tree)
    digest = data_digest(place / "images.npy", place / "split.csv")
    if is_finished(run, places.runs, digest):
        return "is there"
    data = read_labelled_images(place / "images.npy", place / "split.csv")
    with claimed(work_folder(run, places.work, digest)) as mine:
        if not mine:
            return "another process is at it"
        params = checked_params(tree, run.name)
        unfinished = work_folder(run, places.work, digest)
        link(unfinished / "data", place)
        record = trained(params, data, unfinished, digest)
        figures: dict[str, float] = {}
        answers = None
        if run.evaluated:
            test = data.part("test")
            figures, answers = evaluated(params, data, unfinished)
            truth = {"image": test.image_ids, "dx": [CLASSES[label] for label in test.labels]}
            lesions = pd.read_csv(place / "split.csv", dtype=str).set_index("image_id").lesion_id
            table = pd.DataFrame(truth)
            table.insert(1, "lesion_id", lesions.loc[test.image_ids].to_numpy())
            keep_truth(places.runs, digest, table)
        keep(run, places, tree, digest, record, figures, pd.read_csv(unfinished / HISTORY), answers)
    score = figures.get("balanced_accuracy", record["val_balanced_accuracy"])
    took = "taken up again" if record["seconds"] is None else f"{record['seconds']} s"
    what = "balanced accuracy" + ("" if figures else " on validation")
    return f"{what} {score:.3f}, {took}"


def work_folder(run: Planned, work: Path, digest: str) -> Path:
    """Where the run does its unfinished work: no run with other parameters has the same."""
    told = json.dumps([run.overrides, run.own], sort_keys=True, default=dict)
    own = hashlib.sha256(told.encode()).hexdigest()[:8]
    return work / run.study / digest / f"{run.name}-{own}"


def keep(
    run: Planned,
    places: Places,
    tree: Tree,
    digest: str,
    record: Mapping[str, Any],
    figures: Mapping[str, float],
    history: pd.DataFrame | None,
    answers: pd.DataFrame | None,
) -> None:
    """Write the run's folder; the archive is named without the folders of this machine."""
    named = {"study": run.study, "arm": run.arm, "seed": run.seed, "fold": run.fold}
    params = tree | {"archive": Path(tree["archive"]).name}
    for key, value in run.own.items():
        section, _, name = key.partition(".")
        params = params | {section: params.get(section, {}) | {name: value}}
    write_run(
        run.folder(places.runs),
        params=params,
        record={**named, "commit": places.commit, "data": digest, **record},
        figures=figures,
        history=history,
        answers=answers,
    )


def trained(params: Params, data: LabelledImages, folder: Path, digest: str) -> dict[str, Any]:
    """Train unless that was done in the folder before; what run.json says of a training.

    `seconds` is None for a training that was taken up again.
    """
    compute_exactly("train", params)
    if not (folder / MACHINE).exists():
        begun_before = (folder / CHECKPOINT).exists()
        started = time.perf_counter()
        fitted = fit(plan_of(params), data, folder, device=device_of(params), digest=digest)
        assert fitted is not None, "one process trains"
        device = fitted.processes.device
        machine = {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "images_per_second": round(fitted.trained.images_per_second, 1) or None,
            "seconds": None if begun_before else round(time.perf_counter() - started),
        }
        write_json(folder / MACHINE, machine)  # last: it says that the training is whole
        (folder / CHECKPOINT).unlink(missing_ok=True)
    model, description = load_model(folder / MODEL)
    history = pd.read_csv(folder / HISTORY)
    best = history.loc[history.val_balanced_accuracy.idxmax()]
    return {
        **json.loads((folder / MACHINE).read_text()),
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "class_counts": description.class_counts,
        "epochs": len(history),
        "best_epoch": int(best.epoch),
        "val_balanced_accuracy": float(best.val_balanced_accuracy),
        "val_macro_auc": float(best.val_macro_auc),
    }


def evaluated(
    params: Params, data: LabelledImages, folder: Path
) -> tuple[dict[str, float], pd.DataFrame]:
    """All figures of the trained network on the test set, and its answers."""
    model, description = load_model(folder / MODEL)
    device = choose_device(device_of(params))
    parts = {name: data.part(name) for name in ("val", "test")}
    logits = {
        name: predict_logits(
            model.to(device),
            part.images,
            description.statistics(),
            device,
            view_count=params.evaluate.views,
        )
        for name, part in parts.items()
    }
    found = scores_of(
        parts["val"],
        logits["val"],
        parts["test"],
        logits["test"],
        class_counts=description.class_counts,
        imbalance=description.imbalance,
        temperature=calibration_of(description, str(folder)).temperature,
        resamples=params.evaluate.resamples,
        seed=params.evaluate.seed,
    )
    return found.figures, answers_table(parts["test"], found.balanced)


def answers_table(test: LabelledImages, probabilities: Any) -> pd.DataFrame:
    """What answers.csv.gz holds: the image's id and the probability of each class."""
    table = pd.DataFrame(probabilities, columns=list(HEADER[1:]))
    table.insert(0, HEADER[0], test.image_ids)
    return table
