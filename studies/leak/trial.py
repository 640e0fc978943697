"""One run of the study: a network on one of the two training sets, its answers on the test."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.evaluation.metrics import headline_metrics
from harmonic.evaluation.run_folder import keep_truth
from harmonic.learning.batches import predict_logits
from harmonic.learning.device import choose_device
from harmonic.learning.fit import HISTORY, MODEL
from harmonic.model_file.safetensors_file import load_model
from stages.harness.exact import device_of
from stages.harness.params import checked_params
from studies.data import claimed
from studies.leak.design import Design
from studies.runner import (
    Places,
    Planned,
    answers_table,
    is_finished,
    keep,
    trained,
    work_folder,
)

ARMS = ("clean", "leaky")
FIGURES = ("balanced_accuracy", "macro_f1", "macro_auc", "accuracy_balanced_rule")
"""What the balanced rule alone gives; the natural one would need the arms' own frequencies."""


def planned(arm: str, seed: int, overrides: dict[str, Any], design_seed: int) -> Planned:
    own = {"leak.design_seed": design_seed, "leak.siblings": arm == "leaky"}
    return Planned("leak", arm, seed, None, overrides | {"seed": seed}, own=own)


def do(run: Planned, data: LabelledImages, design: Design, digest: str, places: Places) -> str:
    """Do one run unless its folder is there; returns what happened, in a few words."""
    if is_finished(run, places.runs, digest):
        return "is there"
    tree = run.params(places.archive)
    folder = work_folder(run, places.work, digest)
    with claimed(folder) as mine:
        if not mine:
            return "another process is at it"
        params = checked_params(tree, run.name)
        rows = design.clean if run.arm == "clean" else design.leaky
        arranged = in_sets(data, {"train": rows, "val": design.val, "test": design.test})
        training, test = arranged.part("train"), arranged.part("test")
        record = trained(params, arranged, folder, digest)
        record |= {
            "training_images": len(training.labels),
            "training_lesions": len(np.unique(training.groups)),
        }
        model, description = load_model(folder / MODEL)
        device = choose_device(device_of(params))
        logits = predict_logits(
            model.to(device), test.images, description.statistics(), device, view_count=1
        )
        probabilities = softmax(logits, axis=1)
        found = headline_metrics(test.labels, probabilities, probabilities)
        answers = answers_table(test, probabilities).assign(sibling=design.has_sibling.astype(int))
        names = [CLASSES[label] for label in test.labels]
        truth = pd.DataFrame({"image": test.image_ids, "lesion_id": test.groups, "dx": names})
        keep_truth(places.runs, digest, truth)
        figures = {name: round(found[name], 4) for name in FIGURES}
        keep(run, places, tree, digest, record, figures, pd.read_csv(folder / HISTORY), answers)
    return f"balanced accuracy {figures['balanced_accuracy']:.3f}"


def in_sets(data: LabelledImages, rows: dict[str, np.ndarray]) -> LabelledImages:
    """The images with the set of each as the design has it, "" for those in none."""
    sets = np.full(len(data.labels), "", dtype="<U5")
    for name, chosen in rows.items():
        sets[chosen] = name
    return replace(data, sets=sets)
