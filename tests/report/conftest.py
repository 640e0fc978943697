"""The drawn test sets of tests/evaluation, and what a report of one of them shows."""

import numpy as np
import pandas as pd
import pytest

from harmonic.data.classes import CLASSES
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.comparison import Pair
from harmonic.evaluation.paired import STATISTICS, paired_difference
from harmonic.evaluation.scores import scores_of
from harmonic.report.contents import Case, HairPair, ReportContents
from tests.evaluation.conftest import CLASS_COUNTS, draw  # noqa: F401  (a fixture)


@pytest.fixture(scope="session")
def contents(draw):  # noqa: F811
    drawn = draw(lesions=60, seed=11)
    few = {"resamples": 50, "seed": 0}
    answers = Answers(*drawn, class_counts=tuple(CLASS_COUNTS.tolist()))
    made = scores_of(answers, drawn.labels, drawn.balanced, temperature=1.2345, **few)
    difference = paired_difference(
        drawn.labels,
        drawn.lesions,
        drawn.natural[None],
        drawn.balanced[None],
        STATISTICS["balanced_accuracy"],
        **few,
    )
    random = np.random.default_rng(0)
    epochs = np.arange(1, 4)
    rates = np.geomspace(1e-5, 1, 20)
    count = len(drawn.labels)
    return ReportContents(
        metrics=made.figures,
        answers=answers,
        params={
            "source": "archive",
            "model": "harmonic",
            "seed": 4,
            "lr": 0.0025,
            "epochs": 3,
            "batch_size": 16,
            "image_size": 64,
            "train": {"network": "small"},
            "split": {"by": "lesion"},
        },
        fingerprint={"images": 12, "digests": {"metadata": "ab" * 32}},
        split=pd.DataFrame(
            {
                "image_id": [f"ISIC_{n:07d}" for n in range(count)],
                "lesion_id": drawn.lesions,
                "dx": np.array(CLASSES)[drawn.labels],
                "split": np.where(np.char.endswith(drawn.lesions, "0"), "train", "test"),
            }
        ),
        history=pd.DataFrame(
            {
                "epoch": epochs,
                "train_loss": 1 / epochs,
                "val_loss": 1 / epochs,
                "val_balanced_accuracy": 0.2 * epochs,
            }
        ),
        lr_curve=pd.DataFrame({"lr": rates, "loss": 1 + rates, "smoothed_loss": 1 + rates}),
        lr_suggestion={"suggested_lr": 1e-3, "diverged_lr": None},
        spectra={"stem": random.random((3, 3))},
        hair_pairs=[HairPair("ISIC_0000001", *np.zeros((2, 8, 8, 3), dtype=np.uint8))],
        kernels=(random.normal(size=(5, 3, 3, 3)), random.normal(size=(9, 3, 3))),
        cases=[
            Case(
                name="ISIC_0000002",
                truth="mel",
                answer="nv",
                confidence=0.875,
                image=np.zeros((8, 8, 3), dtype=np.uint8),
                heats=random.random((2, 8, 8)),
            )
        ],
        tables={
            **made.tables,
            "compression": pd.DataFrame(
                {
                    "weights": ["float32", "int8"],
                    "epochs": [0, 0],
                    "bytes": [345678, 91011],
                    "parameters": [76543, 76543],
                    "balanced_accuracy": [0.5, 0.4],
                    "balanced_accuracy_low": [0.4, 0.3],
                    "balanced_accuracy_high": [0.6, 0.5],
                }
            ),
            "subgroups": pd.DataFrame({"group": ["<male>"], "n": [1234], "accuracy": [np.nan]}),
        },
        comparison=Pair(
            reference="baseline cnn",
            arm="this run",
            seeds=(0,),
            lesions=60,
            differences={"balanced_accuracy": difference},
            only_one_right=None,
            judged=None,
            verdict="no difference can be shown",
        ),
    )
