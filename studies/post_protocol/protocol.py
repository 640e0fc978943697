"""The blog post's training and testing as settings of `fit`, and what it leaves out of sight."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import precision_score, recall_score
from torch import nn

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.learning.batches import channel_statistics, predict_logits
from harmonic.learning.device import choose_device
from harmonic.learning.randomness import generator
from stages.harness.params import Params
from stages.training import plan_of
from studies import runner
from studies.data import in_sets
from studies.runner import Outcome, Places, Planned, trained, truth_table

IMAGE_SIZE = 64
TEST_SHARE = 0.15
PARTS = ("seen", "sibling", "unseen")
"""Images that were trained on; other photographs of lesions that were; lesions that never were."""
NOTHING_MORE = {
    "train.dropout": 0.5,
    "train.imbalance": "resampling",
    "train.schedule": "constant",
    "train.warmup": 0.0,
    "train.clip": 1000.0,
    "train.ema": 0.0,
    "train.colour": 0.0,
}
"""No augmentation, no schedule, no averaging; classes drawn evenly, Adam and dropout as it had."""
AS_THE_POST = {"moves": "none", "loss": "sigmoid", "decay_all": True}


def planned(draw: int, epochs: int) -> Planned:
    overrides = {
        "source": "archive",
        "seed": draw,
        "image_size": IMAGE_SIZE,
        "epochs": epochs,
        "lr": 0.001,
        "batch_size": 32,
        "remove_hair.method": "none",
        "train.network": "post",
        "train.precision": "bfloat16",
        "train.optimizer": "adam",
        "train.weight_decay": 0.0001,
        "evaluate.views": 1,
    }
    own = {"post_protocol.draw": draw}
    return Planned("post-protocol", "harmonic", draw, None, overrides, own, NOTHING_MORE)


@dataclass(frozen=True)
class Draws:
    """Two independent draws, and the images that are answered: test draw and all not trained on."""

    training: NDArray[np.int64]
    answered: NDArray[np.int64]
    in_test: NDArray[np.bool_]
    """Of each answered image: whether the test draw holds it."""
    part: NDArray[np.str_]
    """Of each answered image: which of PARTS it belongs to."""


def independent_draws(groups: NDArray[np.str_], draw: int) -> Draws:
    """85 % of all images for training, and 15 % for the test without regard to the first."""
    count = len(groups)
    tested = round(TEST_SHARE * count)
    training, test = (
        np.random.default_rng((draw, which)).permutation(count)[rows]
        for which, rows in enumerate((slice(tested, None), slice(tested)))
    )
    untouched = np.setdiff1d(np.arange(count), training)
    answered = np.union1d(test, untouched)
    known = np.isin(groups[answered], groups[training])
    part = np.where(np.isin(answered, training), "seen", np.where(known, "sibling", "unseen"))
    return Draws(np.sort(training), answered, np.isin(answered, test), part)


def micro_averages(
    labels: NDArray[np.int64], answers: NDArray[np.int64], random: torch.Generator
) -> tuple[float, float]:
    """The post's precision and recall, averaged over all answers: of as many test images as there
    are, drawn with replacement and with equal class frequencies."""
    odds = torch.from_numpy(1 / np.bincount(labels)[labels])
    rows = torch.multinomial(odds, len(labels), True, generator=random).numpy()
    return (
        float(precision_score(labels[rows], answers[rows], average="micro")),
        float(recall_score(labels[rows], answers[rows], average="micro")),
    )


def balanced_accuracy(labels: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
    """Mean recall of the classes that are there; NaN without images."""
    if not len(labels):
        return float("nan")
    return float(recall_score(labels, answers, labels=np.unique(labels), average="macro"))


def measured(
    labels: NDArray[np.int64], answers: NDArray[np.int64], draws: Draws, random: torch.Generator
) -> dict[str, float]:
    """What the post measured, and the balanced accuracy of each of PARTS."""
    precision, recall = micro_averages(labels[draws.in_test], answers[draws.in_test], random)
    rows = {part: draws.part == part for part in PARTS}
    scores = {part: balanced_accuracy(labels[some], answers[some]) for part, some in rows.items()}
    return {"precision": precision, "recall": recall, **scores}


def do(run: Planned, data: LabelledImages, digest: str, device_name: str, places: Places) -> str:
    """Do one run unless its folder is there; returns what happened, in a few words.

    The epoch is the one whose precision on the test draw is highest, as in the post.
    """
    draws = independent_draws(data.groups, run.seed)

    def work(params: Params, folder: Path) -> Outcome:
        params = params.model_copy(update={"device": device_name})
        plan = plan_of(params)
        plan = replace(
            plan,
            recipe=plan.recipe.model_copy(update=AS_THE_POST),
            schedule=plan.schedule.model_copy(update={"chosen_by": "precision"}),
        )
        test = draws.answered[draws.in_test]
        arranged = in_sets(data, {"train": draws.training, "val": test, "test": draws.answered})
        answered, device = arranged.part("test"), choose_device(device_name)
        statistics = channel_statistics(arranged.part("train").images)

        def answers(network: nn.Module) -> NDArray[np.int64]:
            logits = predict_logits(network, answered.images, statistics, device, view_count=1)
            found: NDArray[np.int64] = logits.argmax(axis=1)
            return found

        def watch(network: nn.Module, epoch: int) -> Mapping[str, float]:
            random = generator(run.seed, epoch, 1)
            found = measured(answered.labels, answers(network), draws, random)
            print(
                f"post-protocol: draw {run.seed}, epoch {epoch}: the post's precision "
                f"{found['precision']:.3f}, unseen lesions {found['unseen']:.3f}",
                file=sys.stderr,
            )
            return found

        fitted, record = trained(params, plan, arranged, folder, digest, watch=watch)
        best = fitted.history.iloc[fitted.trained.best_epoch - 1]
        figures = {name: float(best[name]) for name in ("precision", "recall", *PARTS)}
        table = pd.DataFrame(
            {
                "image": answered.image_ids,
                "answer": np.array(CLASSES)[answers(fitted.network)],
                "part": draws.part,
                "in_test": draws.in_test.astype(int),
            }
        )
        told = f"the post's precision {best.precision:.3f}, unseen lesions {best.unseen:.3f}"
        return Outcome(record, fitted.history, figures, table, truth_table(data), told)

    return runner.do(run, places, digest, work)
