"""What is kept of a finished run: a row of figures, and the predictions on the test set."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

from harmonic.model_file.safetensors_file import load_model


def measured(folder: Path, *, evaluated: bool) -> dict[str, Any]:
    """What a finished run says of itself."""
    model, _ = load_model(folder / "models/model.safetensors")
    log = json.loads((folder / "logs/train.json").read_text())
    history = pd.read_csv(folder / "models/history.csv")
    best = history.loc[history.val_balanced_accuracy.idxmax()]
    found = {
        "device": log["device"],
        "threads": log["threads"],
        "torch": log["host"].get("torch", ""),
        "parameters": sum(weights.numel() for weights in model.parameters()),
        "epochs": len(history),
        "best_epoch": int(best.epoch),
        "images_per_second": log["images_per_second"] or None,
        "val_balanced_accuracy": best.val_balanced_accuracy,
        "val_macro_auc": best.val_macro_auc,
    }
    if evaluated:
        metrics = json.loads((folder / "reports/metrics.json").read_text())
        found |= {
            name: value
            for name, value in sorted(metrics.items())
            if isinstance(value, int | float) and not name.endswith(("_low", "_high"))
        }
    return found


def keep_predictions(folder: Path, data: Path, results: Path, name: Path, digest: str) -> str:
    """Copy the test predictions, and once the truth, beside the table; returns the relative path.

    Differences between runs can then be paired over lesions without training again.
    """
    place = Path("predictions") / name.with_name(f"{name.name}-{digest}.csv.gz")
    predictions = pd.read_csv(folder / "reports/predictions.csv").round(5)
    write_gzipped(results / place, predictions)
    truth = results / "predictions" / f"{digest}.csv.gz"
    if not truth.exists():
        split = pd.read_csv(data / "data/split.csv")
        test = split[split.split == "test"].rename(columns={"image_id": "image"})
        write_gzipped(truth, test[["image", "lesion_id", "dx"]])
    return place.as_posix()


def write_gzipped(path: Path, frame: pd.DataFrame) -> None:
    """The bytes depend on the content alone: no name, no time."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = frame.to_csv(index=False, lineterminator="\n")
    unfinished = path.with_name(f"{path.name}.{os.getpid()}")
    unfinished.write_bytes(gzip.compress(text.encode(), mtime=0))
    unfinished.replace(path)
