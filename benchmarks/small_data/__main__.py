"""Harmonic and plain convolutions with 5 to 80 images a class: a row of runs.csv for each run.

    python -m benchmarks.small_data search --archive ZIP --gem FOLDER    # rate and decay
    python -m benchmarks.small_data run --archive ZIP --gem FOLDER       # 80 images a class
    python -m benchmarks.small_data run --archive ZIP --k 10,20,40 --arms plain,ortho-first
    python -m benchmarks.small_data run --preset full …                     # ResNet-50 on a GPU

Without --gem the splits are drawn by lesion; with it they are GEM's, tested as published and
without the images of lesions seen in training. What has its row is not run again.
"""

import argparse
import hashlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from benchmarks.grid.__main__ import commit_here, numbers
from benchmarks.grid.table import add_run, has_run, read_runs
from benchmarks.grid.work import claimed, data_digest, overridden, prepared_data
from benchmarks.small_data.arms import ARMS, build
from benchmarks.small_data.splits import LARGEST, drawn, published
from benchmarks.small_data.tasks import PRESETS, Preset, Task, run_tasks, search_tasks
from benchmarks.small_data.training import answers, balanced_accuracy, trained
from harmonic.data.arrays import LabelledImages, read_labelled_images
from harmonic.errors import InputError
from harmonic.learning.device import choose_device


def do(task: Task, preset: Preset, data: LabelledImages, device: torch.device) -> dict[str, Any]:
    """Train, and answer on the validation set (a search) or on the two test sets."""
    started = time.perf_counter()
    training = data.images[task.training]
    model = build(task.row["arm"], preset.network, preset.options, seed=task.row["seed"])
    model = trained(
        model, training, data.labels[task.training], task.budget, task.row["seed"], device
    )
    found: dict[str, Any] = {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu",
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "parameters": sum(weights.numel() for weights in model.parameters()),
    }
    if task.searched:
        rows = task.split.validation
        right = answers(model, training, data.images[rows], device)
        found["val_balanced_accuracy"] = balanced_accuracy(data.labels[rows], right)
    else:
        rows = task.split.test
        right = answers(model, training, data.images[rows], device)
        clean = np.isin(rows, task.split.clean)
        found["balanced_accuracy"] = balanced_accuracy(data.labels[rows], right)
        found["clean_balanced_accuracy"] = balanced_accuracy(data.labels[rows][clean], right[clean])
        found["test_images"] = len(rows)
    return found | {"seconds": round(time.perf_counter() - started)}


def main(argv: Sequence[str] | None = None) -> int:
    options = parsed(argv)
    try:
        arms = options.arms.split(",") if options.arms else list(ARMS)
        for arm in arms:
            if arm not in ARMS:
                raise InputError(f"--arms {arm} is unknown; there are {', '.join(ARMS)}")
        if not options.archive.exists():
            raise InputError(f"--archive {options.archive} is not there; name a zip or a folder")
        commit = options.commit or commit_here()
        preset = PRESETS[options.preset]
        params = overridden(
            {
                "source": "archive",
                "archive": str(options.archive.resolve()),
                "image_size": preset.image_size,
            }
        )
        folder = prepared_data(options.work, params)
        data = read_labelled_images(folder / "data/images.npy", folder / "data/split.csv")
        index = pd.read_csv(folder / "data/index.csv", dtype={"lesion_group": str})
        splits = [
            published(index, options.gem, number) if options.gem else drawn(index, number)
            for number in range(3)
        ]
        runs = read_runs(options.results)
        tasks = list(
            search_tasks(options.preset, arms, splits)
            if options.what == "search"
            else run_tasks(
                options.preset, arms, splits, options.seeds, options.k, data.labels, runs
            )
        )
    except InputError as error:
        print(f"small_data: {error}", file=sys.stderr)
        return 1
    device = choose_device("auto")
    digest = data_digest(folder)
    for number, task in enumerate(tasks, start=1):
        row = task.row | {"commit": commit, "data": digest}
        name = f"{row['preset']} {row['arm']} seed {row['seed']} {row['overrides']}"
        print(f"[{number}/{len(tasks)}] {name}: ", end="", flush=True)
        place = options.work / row["preset"] / hashlib.sha256(name.encode()).hexdigest()[:12]
        with claimed(place) as mine:
            if not mine or has_run(read_runs(options.results), row):
                print("is there" if mine else "is another process's")
                continue
            row |= do(task, preset, data, device)
            add_run(options.results, row)
        score = row.get("balanced_accuracy", row.get("val_balanced_accuracy"))
        print(f"balanced accuracy {score:.3f}, {row['seconds']} s")
    return 0


def parsed(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.small_data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=["search", "run"])
    parser.add_argument("--archive", type=Path, required=True, help="zip or folder of the images")
    parser.add_argument("--gem", type=Path, help="folder of GEM's split files")
    parser.add_argument("--preset", choices=sorted(PRESETS), default="small")
    parser.add_argument("--arms", help="comma-separated; all without")
    parser.add_argument("--k", type=numbers, default=[LARGEST], help="images a class (80)")
    parser.add_argument("--seeds", type=numbers, default=[0, 1, 2], help="0,1,2")
    parser.add_argument("--results", type=Path, default=Path("results/runs.csv"))
    parser.add_argument("--work", type=Path, default=Path(".partial/grid"))
    parser.add_argument("--commit", help="of this code, where there is no git repository")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
