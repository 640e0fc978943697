"""The leak, measured: siblings of the test lesions in training, or as many other photographs.

    python -m benchmarks.leak --archive ham10000-200x150.zip    # train what is missing, then sum up
    python -m benchmarks.leak                                   # sum up results/leak.csv

Both arms answer the same test images after training on as many images of each class and as many
lesions (benchmarks/leak/design.py), from the same seeds. Each finished training appends a row to
results/leak.csv; an interrupted one goes on after its last epoch.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.leak.design import Design, leak_design
from benchmarks.leak.images import archive_images
from benchmarks.leak.summary import figure, read_studies, table
from benchmarks.leak.trial import ARMS, run_trial
from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.metrics import headline_metrics
from harmonic.evaluation.predictions import HEADER
from harmonic.files import whole, write_bytes, write_text
from stages.harness.params import Params, load_params

WORK = Path(".partial/leak")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.leak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--archive", type=Path, help="zip or folder to train on; without: sum up")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each arm (3)")
    parser.add_argument("--epochs", type=int, default=15, help="passes over the training set (15)")
    parser.add_argument("--width", type=int, default=16, help="channels of the first stage (16)")
    parser.add_argument("--image-size", type=int, default=64, help="pixels (64)")
    parser.add_argument("--design-seed", type=int, default=0, help="of the draw of the sets (0)")
    parser.add_argument("--resamples", type=int, default=2000, help="of the intervals (2000)")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder (results)")
    options = parser.parse_args(arguments)
    try:
        if options.archive is not None:
            train_missing(options)
        studies = read_studies(options.results)
        text = table(studies, options.resamples)
        print(text, end="")
        write_text(options.results / "leak.md", text)
        write_bytes(options.results / "leak.svg", figure(studies, options.resamples))
    except InputError as error:
        print(f"leak: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("leak: interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    return 0


def train_missing(options: argparse.Namespace) -> None:
    params = settings(options)
    if not options.archive.exists():
        raise InputError(f"--archive {options.archive} is not there")
    data, digest = archive_images(options.archive, options.image_size, WORK / key(options.archive))
    design = leak_design(data.groups, data.labels, seed=options.design_seed)
    recorded = params.model_dump(include={"model", "lr", "epochs", "batch_size", "image_size"})
    recorded["train"] = params.train.model_dump()
    setting = json.dumps(recorded, sort_keys=True)
    study = hashlib.sha256(f"{digest} {options.design_seed} {setting}".encode()).hexdigest()[:12]
    folder = options.results / "predictions" / f"leak-{study}"
    folder.mkdir(parents=True, exist_ok=True)
    write_truth(folder / "truth.csv.gz", data, design)
    runs = options.results / "leak.csv"
    revision = commit()
    for seed in range(options.seeds):
        for arm in ARMS:
            if done(runs, study, arm, seed):
                continue
            print(f"leak: {arm}, seed {seed}", file=sys.stderr)
            checkpoint = WORK / study / f"{arm}-seed{seed}.safetensors"
            checkpoint.parent.mkdir(parents=True, exist_ok=True)
            probabilities, facts = run_trial(
                data, design, arm, params.model_copy(update={"seed": seed}), checkpoint
            )
            predictions = folder / f"{arm}-seed{seed}.csv.gz"
            rows = pd.DataFrame(probabilities, columns=HEADER[1:])
            rows.insert(0, "image", data.image_ids[design.test])
            write_table(predictions, rows)
            row = {
                "study": study,
                "arm": arm,
                "seed": seed,
                "data": digest,
                "design_seed": options.design_seed,
                "settings": setting,
                "commit": revision,
                **facts,
                **test_metrics(data.labels[design.test], probabilities),
                "predictions": predictions.relative_to(options.results).as_posix(),
            }
            append(runs, row)
            checkpoint.unlink()


def key(archive: Path) -> str:
    """Names the folder of what was unpacked: another archive, or a changed one, has another."""
    found = archive.stat()
    text = f"{archive.absolute()} {found.st_size} {found.st_mtime_ns}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def settings(options: argparse.Namespace) -> Params:
    """params.yaml with the study's own size and length; no hair is removed."""
    params = load_params(Path("params.yaml"))
    train = params.train.model_copy(update={"network": "small", "width": options.width})
    return params.model_copy(
        update={"epochs": options.epochs, "image_size": options.image_size, "train": train}
    )


def test_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    found = headline_metrics(labels, probabilities, probabilities)
    names = ("balanced_accuracy", "macro_f1", "macro_auc", "accuracy_balanced_rule")
    return {name: round(found[name], 4) for name in names}


def write_truth(path: Path, data: LabelledImages, design: Design) -> None:
    rows = design.test
    truth = pd.DataFrame(
        {
            "image": data.image_ids[rows],
            "lesion_id": data.groups[rows],
            "dx": np.array(CLASSES)[data.labels[rows]],
            "sibling": design.has_sibling.astype(int),
        }
    )
    write_table(path, truth)


def write_table(path: Path, rows: pd.DataFrame) -> None:
    compression = {"method": "gzip", "mtime": 0}
    with whole(path) as unfinished:
        rows.to_csv(
            unfinished,
            index=False,
            lineterminator="\n",
            float_format="%.6g",
            compression=compression,
        )


def done(runs: Path, study: str, arm: str, seed: int) -> bool:
    if not runs.is_file():
        return False
    rows = pd.read_csv(runs)
    return bool(((rows.study == study) & (rows.arm == arm) & (rows.seed == seed)).any())


def append(runs: Path, row: dict[str, object]) -> None:
    before = pd.read_csv(runs) if runs.is_file() else pd.DataFrame()
    after = pd.concat([before, pd.DataFrame([row])], ignore_index=True)
    write_text(runs, after.to_csv(index=False, lineterminator="\n"))


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
