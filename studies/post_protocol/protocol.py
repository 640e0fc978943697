"""The blog post's training and testing as settings of a run, and what it leaves out of sight."""

import sys
from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from sklearn.metrics import recall_score
from torch import nn

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.learning.batches import channel_statistics, predict_logits
from harmonic.learning.device import choose_device
from harmonic.learning.fit import Fitted
from harmonic.learning.randomness import generator
from stages.harness.params import Params
from studies.data import images_of, logits_of, overridden, truth_table
from studies.runner import Outcome, Places, Planned

TEST_SHARE = 0.15
PARTS = ("seen", "sibling", "unseen")
"""Images that were trained on; other photographs of lesions that were; lesions that never were."""
SETTINGS = {
    "source": "archive",
    "image_size": 64,
    "lr": 0.001,
    "batch_size": 32,
    "remove_hair.method": "none",
    "train.network": "post",
    "train.width": 32,  # of `small` alone
    "train.precision": "bfloat16",
    "train.optimizer": "adam",
    "train.weight_decay": 0.0001,
    "evaluate.views": 1,
}
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


def runs(options: Namespace, places: Places) -> list[Planned]:
    """A run for each pair of draws; its epoch has the highest precision on the test draw."""
    shared = NOTHING_MORE | {"device": options.device}
    images = images_of(places.work, overridden(SETTINGS | {"archive": str(places.archive)}))
    data = images.read()
    divided = images.divided("post_protocol", np.full(len(data.labels), "all"))
    planned = []
    for number in range(options.draws):
        draws = independent_draws(data.groups, number)
        test = draws.answered[draws.in_test]
        planned.append(
            Planned(
                *("post-protocol", "harmonic", number),
                SETTINGS | {"seed": number, "epochs": options.epochs},
                own={"post_protocol.draw": number},
                shared=shared,
                recipe=AS_THE_POST,
                schedule={"chosen_by": "precision"},
                images=divided,
                rows={"train": draws.training, "val": test, "test": draws.answered},
                watch=partial(watch, draws, number),
                measure=partial(answered, draws, truth_table(data)),
            )
        )
    return planned


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


def micro_average(
    labels: NDArray[np.int64], answers: NDArray[np.int64], random: torch.Generator
) -> float:
    """The post's precision, and its recall, of all answers together: of as many test images as
    there are, drawn with replacement and with equal class frequencies."""
    odds = torch.from_numpy(1 / np.bincount(labels)[labels])
    rows = torch.multinomial(odds, len(labels), True, generator=random).numpy()
    return float((labels[rows] == answers[rows]).mean())


def balanced_accuracy(labels: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
    """Mean recall of the classes that are there; NaN without images."""
    if not len(labels):
        return float("nan")
    return float(recall_score(labels, answers, labels=np.unique(labels), average="macro"))


def watch(
    draws: Draws, number: int, params: Params, data: LabelledImages
) -> Callable[[nn.Module, int], Mapping[str, float]]:
    """After each epoch: what the post measured, and the balanced accuracy of each of PARTS."""
    test, device = data.part("test"), choose_device(params.device)
    statistics, labels = channel_statistics(data.part("train").images), test.labels

    def measured(network: nn.Module, epoch: int) -> Mapping[str, float]:
        logits = predict_logits(network, test.images, statistics, device, view_count=1)
        answers, random = logits.argmax(axis=1), generator(number, epoch, 1)
        average = micro_average(labels[draws.in_test], answers[draws.in_test], random)
        found = {"precision": average, "recall": average}
        for part in PARTS:
            rows = draws.part == part
            found[part] = balanced_accuracy(labels[rows], answers[rows])
        print(
            f"post-protocol: draw {number}, epoch {epoch}: the post's precision "
            f"{found['precision']:.3f}, unseen lesions {found['unseen']:.3f}",
            file=sys.stderr,
        )
        return found

    return measured


def answered(
    draws: Draws,
    truth: pd.DataFrame,
    params: Params,
    fitted: Fitted,
    data: LabelledImages,
    place: Path,
) -> Outcome:
    """The figures of the chosen epoch, and its answers for the test draw and all new images."""
    test, chosen = data.part("test"), fitted.history.iloc[fitted.trained.best_epoch - 1]
    table = pd.DataFrame(
        {
            "image": test.image_ids,
            "answer": np.array(CLASSES)[logits_of(fitted, test.images).argmax(axis=1)],
            "part": draws.part,
            "in_test": draws.in_test.astype(int),
        }
    )
    figures = {name: float(chosen[name]) for name in ("precision", "recall", *PARTS)}
    return Outcome(figures, table, truth)
