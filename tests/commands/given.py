"""What a user has before a command: a model, photographs, the runs of a cross-validation."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.evaluation.predictions import write_predictions
from harmonic.images.decode import write_jpeg
from harmonic.model_file.safetensors_file import save_model
from tests.deploy.conftest import describe, photograph, trained


def write_given(folder: Path) -> None:
    """model.safetensors, photos/ with three images of one name, fold0 to fold2."""
    description = describe()
    save_model(folder / "model.safetensors", trained(description).state_dict(), description)
    (folder / "photos" / "more").mkdir(parents=True)
    for number, name in enumerate(("a.png", "a.jpg", "more/a.png")):
        write_jpeg(folder / "photos" / name, photograph(number))
    for fold in range(3):
        write_fold(folder / f"fold{fold}", fold)


def write_fold(folder: Path, fold: int) -> None:
    """A run of 21 test images, three of each class."""
    (folder / "reports").mkdir(parents=True)
    (folder / "data").mkdir()
    ids = [f"ISIC_{100 * fold + number:07d}" for number in range(21)]
    random = np.random.default_rng(fold)
    for rule in ("", "_natural"):
        found = random.dirichlet(np.ones(7), size=21) * 0.9 + np.eye(7).repeat(3, axis=0) * 0.1
        write_predictions(folder / "reports" / f"predictions{rule}.csv", ids, found)
    truth = {"image_id": ids, "lesion_id": [f"HAM_{one[5:]}" for one in ids]}
    table = pd.DataFrame(truth | {"dx": np.repeat(CLASSES, 3), "split": "test"})
    table.to_csv(folder / "data" / "split.csv", index=False)
    (folder / "reports" / "metrics.json").write_text(json.dumps({"balanced_accuracy": 0.5}))
    parameters = f"seed: 0\nmodel: cnn\nsplit: {{folds: 3, fold: {fold}}}\n"
    (folder / "params.yaml").write_text(parameters)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file by its path in the folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
