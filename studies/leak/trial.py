"""One run of the study: a network on one of the two training sets, its answers on the test."""

from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from harmonic.data.arrays import LabelledImages
from harmonic.evaluation.metrics import headline_metrics
from harmonic.learning.batches import predict_logits
from stages.harness.params import Params
from stages.training import plan_of
from studies import runner
from studies.data import in_sets
from studies.leak.design import Design
from studies.runner import Outcome, Places, Planned, answers_table, trained, truth_table

ARMS = ("clean", "leaky")
FIGURES = ("balanced_accuracy", "macro_f1", "macro_auc", "accuracy_balanced_rule")
"""What the balanced rule alone gives; the natural one would need the arms' own frequencies."""


def planned(arm: str, seed: int, overrides: dict[str, Any], design_seed: int) -> Planned:
    own = {"leak.design_seed": design_seed, "leak.siblings": arm == "leaky"}
    return Planned("leak", arm, seed, None, overrides | {"seed": seed}, own=own)


def do(run: Planned, data: LabelledImages, design: Design, digest: str, places: Places) -> str:
    """Do one run unless its folder is there; returns what happened, in a few words."""

    def work(params: Params, folder: Path) -> Outcome:
        rows = design.clean if run.arm == "clean" else design.leaky
        arranged = in_sets(data, {"train": rows, "val": design.val, "test": design.test})
        training, test = arranged.part("train"), arranged.part("test")
        fitted, record = trained(params, plan_of(params), arranged, folder, digest)
        record["training_images"] = len(training.labels)
        record["training_lesions"] = len(np.unique(training.groups))
        statistics, device = fitted.description.statistics(), fitted.processes.device
        logits = predict_logits(fitted.network, test.images, statistics, device, view_count=1)
        probabilities = softmax(logits, axis=1)
        found = headline_metrics(test.labels, probabilities, probabilities)
        answers = answers_table(test, probabilities).assign(sibling=design.has_sibling.astype(int))
        figures = {name: round(found[name], 4) for name in FIGURES}
        told = f"balanced accuracy {figures['balanced_accuracy']:.3f}"
        return Outcome(record, fitted.history, figures, answers, truth_table(test), told)

    return runner.do(run, places, digest, work)
