"""The runs of the study: networks on one of the two training sets, their answers on the test."""

from argparse import Namespace
from functools import partial
from pathlib import Path

import numpy as np
from scipy.special import softmax

from harmonic.data.arrays import LabelledImages
from harmonic.evaluation.metrics import headline_metrics
from harmonic.learning.fit import Fitted
from stages.harness.params import Params
from studies.data import answers_table, images_of, logits_of, overridden, truth_table
from studies.leak.design import Design, leak_design
from studies.runner import Outcome, Places, Planned

ARMS = ("clean", "leaky")
FIGURES = ("balanced_accuracy", "macro_f1", "macro_auc", "accuracy_balanced_rule")
"""What the balanced rule alone gives; the natural one would need the arms' own frequencies."""


def runs(options: Namespace, places: Places) -> list[Planned]:
    """Both arms of each seed."""
    overrides = {
        "source": "archive",
        "remove_hair.method": "none",
        "evaluate.views": 1,
        "train.network": "small",
        "train.width": options.width,
        "epochs": options.epochs,
        "batch_size": 64,
        "lr": 0.001,
        "image_size": options.image_size,
    }
    params = overridden(overrides | {"archive": str(places.archive)})
    images = images_of(places.work, params)
    data, number = images.read(), options.design_seed
    design = leak_design(data.groups, data.labels, seed=number)
    divided = images.divided(f"leak-{number}", design.sets(len(data.labels)))
    return [
        Planned(
            *("leak", arm, seed, overrides | {"seed": seed}),
            own={"leak.design_seed": number, "leak.siblings": arm == "leaky"},
            images=divided,
            rows={"train": getattr(design, arm), "val": design.val, "test": design.test},
            measure=partial(measured, design),
        )
        for seed in range(options.seeds)
        for arm in ARMS
    ]


def measured(
    design: Design, params: Params, fitted: Fitted, data: LabelledImages, place: Path
) -> Outcome:
    """Figures and answers on the test set, and how large the training set was."""
    training, test = data.part("train"), data.part("test")
    probabilities = softmax(logits_of(fitted, test.images), axis=1)
    found = headline_metrics(test.labels, probabilities, probabilities)
    answers = answers_table(test, probabilities).assign(sibling=design.has_sibling.astype(int))
    sizes = {"images": len(training.labels), "lesions": len(np.unique(training.groups))}
    return Outcome(
        {name: round(found[name], 4) for name in FIGURES},
        *(answers, truth_table(test)),
        {f"training_{what}": count for what, count in sizes.items()},
    )
