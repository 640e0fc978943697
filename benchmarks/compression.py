"""Accuracy against bytes on real data, from networks that benchmarks.grid trained.

    python -m benchmarks.grid small --archive PATH            # the networks
    python -m benchmarks.compression small [--epochs 3]       # results/compression.md and .csv

The arms `harmonic` and `cnn` are made smaller after training in every way (stages/compress.py does
so for one network). Arms of a name that begins with one of these (harmonic-binary, cnn-ternary,
harmonic-level3 …) were trained in their smaller form and are taken as they are. A row of the table
is the mean over seeds; a change is from the float32 network of the same seed, on the same resampled
lesions.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from torch import nn

from benchmarks.grid.table import read_runs
from harmonic.data.arrays import LabelledImages, read_labelled_images
from harmonic.deploy.compression import (
    Scores,
    accuracy_over_bytes,
    balanced_scores,
    table_row,
)
from harmonic.deploy.variants import Variant, outputs, parameters, stored, variants
from harmonic.description import Description
from harmonic.errors import InputError
from harmonic.learning.fine_tune import fine_tune
from harmonic.learning.model_file import load_model
from harmonic.learning.settings import choose_device
from harmonic.nn.binary import quantised_layers
from stages.harness.params import load_params
from stages.training import recipe_of

BASES = ("harmonic", "cnn")
FAMILIES = ("level", "binary", "ternary")
"""What an arm's name says after its base, where it was trained in a smaller form."""
CALIBRATION_IMAGES = 128
TRAINED = "trained so"


@dataclass(frozen=True)
class Run:
    """A trained network of the runs table."""

    arm: str
    base: str
    seed: int
    folder: Path

    def data(self) -> LabelledImages:
        return read_labelled_images(self.folder / "data/images.npy", self.folder / "data/split.csv")


@dataclass(frozen=True)
class Options:
    epochs: int
    lr: float
    views: int
    resamples: int
    device: str


def chosen_runs(runs: pd.DataFrame, preset: str, data: str | None, work: Path) -> list[Run]:
    """Runs of a preset on one data set that are worth comparing, bases first.

    Raises InputError where there is none, where data sets would be mixed, or a network is gone.
    """
    rows = runs[(runs.preset == preset) & runs.fold.isna()]
    if data is not None:
        rows = rows[rows.data == data]
    if rows.empty:
        raise InputError(f"no run of {preset} in the table: train some with benchmarks.grid")
    if rows.data.nunique() > 1:
        raise InputError(f"runs of {preset} are of data {', '.join(rows.data.unique())}; --data?")
    found = []
    for row in rows.itertuples():
        base, _, rest = str(row.arm).partition("-")
        if base not in BASES or (rest and not rest.startswith(FAMILIES)):
            continue
        folder = work / preset / row.data / f"{row.arm}-seed{row.seed}"
        if not (folder / "models/model.safetensors").is_file():
            raise InputError(f"{folder}: its network is gone; --work names the grid's folder")
        found.append(Run(str(row.arm), base, int(row.seed), folder))
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
    data = run.data()
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
        when = f"then {variant.epochs} epochs" if variant.epochs else "after training"
        yield variant, "" if variant.weights == "float32" else when


def measured(runs: Sequence[Run], options: Options) -> list[dict[str, Any]]:
    """A row a file; `scores` holds what intervals over seeds are made from."""
    rows: list[dict[str, Any]] = []
    wholes: dict[tuple[str, int], Scores] = {}
    for run in runs:
        model, description = load_model(run.folder / "models/model.safetensors")
        test = run.data().part("test")
        with tempfile.TemporaryDirectory() as name:
            for variant, when in files_of(run, model, description, Path(name), options):
                logits = outputs(variant, test.images, choose_device(options.device), options.views)
                scores = balanced_scores(
                    test.labels, test.groups, logits, description.class_counts,
                    description.imbalance, resamples=options.resamples, seed=0,
                )  # fmt: skip
                if variant.weights == "float32" and run.arm == run.base:
                    wholes[run.base, run.seed] = scores
                rows.append(
                    {
                        "model": run.base,
                        "weights": variant.weights,
                        "when": when,
                        "seed": run.seed,
                        "epochs": variant.epochs,
                        "bytes": variant.path.stat().st_size,
                        "parameters": parameters(variant, model),
                        "scores": scores,
                        "whole": wholes.get((run.base, run.seed)),
                    }
                )
    return rows


def over_seeds(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """A row a way of storing: means over the seeds that have a float32 network to be held against.

    Intervals are over lesions, of the mean of the seeds; `change_seeds` are the single changes.
    """
    table = pd.DataFrame([row for row in rows if row["whole"] is not None])
    if table.empty:
        raise InputError("no run of harmonic or cnn to hold the others against")
    found = []
    for (model, weights, when), group in table.groupby(["model", "weights", "when"], sort=False):
        mine, whole = mean_of(group.scores), mean_of(group.whole)
        changes = [a.value - b.value for a, b in zip(group.scores, group.whole, strict=True)]
        bytes_whole = table[(table.model == model) & (table.weights == "float32")].bytes.mean()
        found.append(
            {
                "model": model,
                "weights": weights,
                "when": when,
                "seeds": len(group),
                "epochs": int(group.epochs.iloc[0]),
                "bytes": round(group.bytes.mean()),
                "share": round(group.bytes.mean() / bytes_whole, 4),
                "parameters": int(group.parameters.iloc[0]),
                **table_row(mine, whole),
                "change_seeds": " ".join(f"{100 * change:+.1f}" for change in changes),
            }
        )
    return pd.DataFrame(found)


def mean_of(scores: Sequence[Scores]) -> Scores:
    return Scores(
        float(np.mean([one.value for one in scores])),
        np.mean([one.resampled for one in scores], axis=0),
    )


def page(table: pd.DataFrame, command: str) -> str:
    """The table as Markdown; changes in points of balanced accuracy."""
    lines = [
        "# Smaller files",
        "",
        f"`{command}`. Balanced accuracy on the test set, mean over seeds; 95 % intervals over "
        "lesions; change in points from the float32 network of the same seed.",
        "",
        "| network | weights | made small | bytes | share | parameters | balanced accuracy "
        "| change | by seed |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in table.itertuples():
        lines.append(
            f"| {row.model} | {row.weights} | {row.when} | {row.bytes:,} | {row.share:.1%} "
            f"| {row.parameters:,} | {row.balanced_accuracy:.3f} "
            f"[{row.balanced_accuracy_low:.3f}, {row.balanced_accuracy_high:.3f}] "
            f"| {100 * row.change:+.1f} [{100 * row.change_low:+.1f}, "
            f"{100 * row.change_high:+.1f}] | {row.change_seeds} |"
        )
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compression",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("preset")
    parser.add_argument("--runs", type=Path, default=Path("results/runs.csv"))
    parser.add_argument("--work", type=Path, default=Path(".partial/grid"))
    parser.add_argument("--data", help="digest of the data, where the preset ran on several")
    parser.add_argument("--epochs", type=int, default=0, help="of fine-tuning (0)")
    parser.add_argument("--lr", type=float, default=3e-4, help="of the fine-tuning (3e-4)")
    parser.add_argument("--views", type=int, choices=(1, 8), default=1)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--output", type=Path, default=Path("results/compression.md"))
    options = parser.parse_args(argv)
    words = " ".join(argv if argv is not None else sys.argv[1:])
    try:
        runs = chosen_runs(read_runs(options.runs), options.preset, options.data, options.work)
        settings = Options(
            options.epochs, options.lr, options.views, options.resamples, options.device
        )
        table = over_seeds(measured(runs, settings))
    except InputError as error:
        print(f"compression: {error}", file=sys.stderr)
        return 1
    text = page(table, f"python -m benchmarks.compression {words}")
    options.output.write_text(text, encoding="utf-8")
    table.to_csv(options.output.with_suffix(".csv"), index=False, lineterminator="\n")
    for model, rows in table.groupby("model"):
        picture = accuracy_over_bytes(rows)
        options.output.with_name(f"{options.output.stem}-{model}.svg").write_bytes(picture)
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
