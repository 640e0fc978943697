"""From a run that is planned to its folder: every study's runs are trained here, in one way.

A run works in `<work>/<study>/<data>/<arm>-seed<n>-<digest of its parameters>/`, where a training
that was killed goes on and one that is whole is not done again, and keeps its network there. Its
folder below results/runs is written whole, last.
"""

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from harmonic.data.arrays import LabelledImages
from harmonic.errors import InputError
from harmonic.evaluation.run_files import json_object
from harmonic.evaluation.run_folder import folder_name, keep_truth, write_run
from harmonic.files import write_json
from harmonic.learning.fit import CHECKPOINT, Fitted, fit
from harmonic.learning.settings import Plan
from harmonic.reading import content_of, yaml_in
from stages.harness.exact import compute_exactly, device_of
from stages.harness.params import Params, checked_params
from stages.harness.partial import claimed
from stages.training import plan_of
from studies.data import (
    Images,
    Rows,
    Tree,
    code_digest,
    images_of,
    in_sets,
    leaves,
    link,
    overridden,
)
from studies.presets import Overrides

MACHINE = "machine.json"
"""What a training says of its machine and its speed, in the folder of its work."""
BESIDE = ("archive", "download", "find_lr", "compress", "report")
"""Parameters that no figure of a run depends on."""
TOLD = ("balanced_accuracy", "precision", "unseen")
"""Figures that are said when a run has ended, of those that it has."""


@dataclass(frozen=True)
class Places:
    """Where studies read and write."""

    archive: Path
    work: Path
    runs: Path
    commit: str


@dataclass(frozen=True)
class Outcome:
    """What a run's folder holds beside its parameters, its identity and its history."""

    figures: Mapping[str, float] = field(default_factory=dict)
    answers: pd.DataFrame | None = None
    truth: pd.DataFrame | None = None
    """image, lesion_id and dx of what is answered."""
    record: Mapping[str, Any] = field(default_factory=dict)
    """What run.json says beside what `trained` does."""


Measure = Callable[[Params, Fitted, LabelledImages, Path], Outcome]
"""From the trained network, the images and their folder to what came out."""


@dataclass(frozen=True)
class Planned:
    """One run: in what it differs from the pipeline's training, and what it measures then."""

    study: str
    arm: str
    seed: int
    overrides: Overrides
    """What differs from params.yaml, and tells the run from others."""
    fold: int | None = None
    own: Mapping[str, Any] = field(default_factory=dict)
    """A section that the study adds to the parameters of its runs, by dotted key."""
    shared: Overrides = field(default_factory=dict)
    """What differs in all runs of the study, too; early ones may not have written it down."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    schedule: Mapping[str, Any] = field(default_factory=dict)
    """Fields of Recipe and Schedule that params.yaml has no key for."""
    images: Images | None = None
    """None for those that the pipeline's stages make of the run's parameters."""
    rows: Rows | None = None
    """Of the images: those of the sets train, val and test; None for the split's own."""
    change: Callable[[nn.Module], nn.Module] | None = None
    """What becomes of the fresh network."""
    watch: Callable[[Params, LabelledImages], Callable[..., Mapping[str, float]]] | None = None
    """Gives what `fit` is to find out after each epoch."""
    measure: Measure | None = None
    """None where the test set is not to be read."""

    @property
    def name(self) -> str:
        return folder_name(self.arm, self.seed, self.fold)

    def folder(self, runs: Path) -> Path:
        return runs / self.study / self.name

    def params(self, archive: Path) -> Tree:
        return overridden({**self.shared, **self.overrides, "archive": str(archive)})

    @property
    def rows_digest(self) -> str | None:
        """Of which images are in which set, where the run divides them by itself."""
        if self.rows is None:
            return None
        told = b"".join(name.encode() + self.rows[name].tobytes() for name in sorted(self.rows))
        return hashlib.sha256(told).hexdigest()[:12]

    def plan(self, params: Params) -> Plan:
        plan = plan_of(params)
        return replace(
            plan,
            recipe=plan.recipe.model_copy(update=dict(self.recipe)),
            schedule=plan.schedule.model_copy(update=dict(self.schedule)),
        )


def do(run: Planned, places: Places) -> str:
    """Do one run unless its folder is there; returns what happened, in a few words."""
    tree = run.params(places.archive)
    images = run.images or images_of(places.work, tree)
    if is_finished(run, places.runs, images.digest):
        return "is there"
    folder = work_folder(run, places, images.digest)
    with claimed(folder) as mine:
        if not mine:
            return "another process is at it"
        if is_finished(run, places.runs, images.digest):  # by a process that had it until now
            return "is there"
        params = checked_params(tree, run.name)
        link(folder / "data", images.place)
        data = images.read() if run.rows is None else in_sets(images.read(), run.rows)
        fitted, record = trained(run, params, data, folder, images.digest)
        found = run.measure(params, fitted, data, images.place) if run.measure else Outcome()
        if found.truth is not None:
            keep_truth(places.runs, images.digest, found.truth)
        for key, value in run.own.items():
            section, _, name = key.partition(".")
            tree.setdefault(section, {})[name] = value
        named = {"study": run.study, "arm": run.arm, "seed": run.seed, "fold": run.fold}
        named |= {"commit": places.commit, "data": images.digest, "rows": run.rows_digest}
        write_run(
            run.folder(places.runs),
            params=tree | {"archive": places.archive.name},  # without this machine's folders
            record={**named, **record, **found.record},
            figures=found.figures,
            history=fitted.history,
            answers=found.answers,
        )
    shown = {name: found.figures[name] for name in TOLD if name in found.figures}
    shown = shown or {"balanced accuracy on validation": record["val_balanced_accuracy"]}
    told = [f"{name.replace('_', ' ')} {score:.3f}" for name, score in shown.items()]
    told.append("taken up again" if record["seconds"] is None else f"{record['seconds']} s")
    return ", ".join(told)


def is_finished(run: Planned, runs: Path, digest: str | None = None) -> bool:
    """Whether the run has its folder; InputError where that is of other parameters or data."""
    folder = run.folder(runs)
    if not folder.exists():
        return False
    then = leaves(yaml_in(content_of(folder / "params.yaml"), str(folder / "params.yaml")))
    now = {**leaves(overridden(run.overrides)), **run.own}
    for key, value in now.items():
        # An older run names no parameter that came later; what is of this run alone it must name.
        found = then.get(key, "not there" if key in {**run.overrides, **run.own} else value)
        if found != value and key not in run.shared and key.partition(".")[0] not in BESIDE:
            raise InputError(f"{folder}: is of {key} {found}, this is of {value}; move it away")
    record = json_object(content_of(folder / "run.json"), str(folder / "run.json"))
    data = record.get("data")
    if digest is not None and data != digest:
        raise InputError(f"{folder}: is of data {data}, these are {digest}; move it away")
    if record.get("rows", run.rows_digest) != run.rows_digest:
        raise InputError(f"{folder}: is of other images of these data; move it away")
    return True


def listed(run: Planned, runs: Path) -> str:
    """Whether the run has its folder, on whatever data, and its name."""
    try:
        said = "there  " if is_finished(run, runs) else "missing"
    except InputError as error:
        said = f"other   ({error})"
    return f"{said} {run.study} {run.name}"


def work_folder(run: Planned, places: Places, digest: str) -> Path:
    """Where the run does its unfinished work: other parameters or other code have another."""
    told = [places.commit, code_digest(), run.params(places.archive), run.own, run.rows_digest]
    own = hashlib.sha256(json.dumps(told, sort_keys=True, default=dict).encode()).hexdigest()[:8]
    return places.work / run.study / digest / f"{run.name}-{own}"


def trained(
    run: Planned, params: Params, data: LabelledImages, folder: Path, digest: str
) -> tuple[Fitted, dict[str, Any]]:
    """The training, at once where it was done in the folder before, and what run.json says of it.

    `seconds` is None for a training that was taken up again.
    """
    compute_exactly("train", params)
    begun_before = (folder / CHECKPOINT).exists()
    started = time.perf_counter()
    watch = run.watch(params, data) if run.watch else lambda network, epoch: {}
    fitted = fit(
        *(run.plan(params), data, folder),
        device=device_of(params), digest=digest, change=run.change, watch=watch,
    )  # fmt: skip
    assert fitted is not None, "one process trains"
    speed = fitted.trained.images_per_second  # 0 where nothing was left to train
    if speed or not (folder / MACHINE).exists():
        device = fitted.processes.device
        machine = {
            "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
            "images_per_second": round(speed, 1) or None,
            "seconds": None if begun_before else round(time.perf_counter() - started),
        }
        write_json(folder / MACHINE, machine)
    best = fitted.history.iloc[fitted.trained.best_epoch - 1]
    return fitted, {
        **json.loads((folder / MACHINE).read_text()),
        "parameters": sum(weights.numel() for weights in fitted.network.parameters()),
        "class_counts": fitted.description.class_counts,
        "epochs": len(fitted.history),
        "best_epoch": fitted.trained.best_epoch,
        "val_balanced_accuracy": float(best.val_balanced_accuracy),
        "val_macro_auc": float(best.val_macro_auc),
    }
