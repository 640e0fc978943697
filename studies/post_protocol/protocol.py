"""The blog post's training and testing, step by step, and what it leaves out of sight."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import precision_score, recall_score
from torch import Tensor, nn
from torch.nn import functional

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.learning.batches import as_images, channel_statistics, normalised, predict_logits
from harmonic.learning.checkpoint import load_checkpoint, save_checkpoint
from harmonic.learning.device import memory_format_for
from harmonic.learning.randomness import derived_seed, generator
from harmonic.model_file.description import ChannelStatistics
from harmonic.nn.networks import build_network

TEST_SHARE = 0.15
BATCH_SIZE = 32
LR = 0.001
WEIGHT_DECAY = 0.0001
PARTS = ("seen", "sibling", "unseen")
"""Images that were trained on; other photographs of lesions that were; lesions that never were."""


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


def drawn_evenly(labels: NDArray[np.int64], random: torch.Generator) -> Tensor:
    """As many row numbers as labels, with replacement, each class as likely as any other."""
    weights = 1 / np.bincount(labels, minlength=len(CLASSES))[labels]
    return torch.multinomial(torch.from_numpy(weights), len(labels), True, generator=random)


def micro_averages(
    labels: NDArray[np.int64], answers: NDArray[np.int64], random: torch.Generator
) -> tuple[float, float]:
    """The post's precision and recall: of test images drawn evenly, averaged over all answers."""
    rows = drawn_evenly(labels, random).numpy()
    return (
        float(precision_score(labels[rows], answers[rows], average="micro")),
        float(recall_score(labels[rows], answers[rows], average="micro")),
    )


def balanced_accuracy(labels: NDArray[np.int64], answers: NDArray[np.int64]) -> float:
    """Mean recall of the classes that are there; NaN without images."""
    if not len(labels):
        return float("nan")
    return float(recall_score(labels, answers, labels=np.unique(labels), average="macro"))


def run_draw(
    data: LabelledImages,
    draws: Draws,
    draw: int,
    epochs: int,
    device: torch.device,
    checkpoint: Path,
    tell: Callable[[dict[str, Any]], None],
) -> tuple[list[dict[str, Any]], NDArray[np.int64]]:
    """Train as the post did: a record of each epoch, and the answers of the epoch it would choose.

    It would choose the one whose precision on its test draw is highest. Goes on from `checkpoint`
    where an earlier process stopped; `tell` gets each new record.
    """
    training = data.images[draws.training]
    statistics = channel_statistics(training)
    torch.manual_seed(derived_seed(draw))
    model = build_network("post", num_classes=len(CLASSES), conv="harmonic", batch_norm="none")
    layout = memory_format_for(model, device)
    model = model.to(device, memory_format=layout)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(model.parameters(), lr=LR, weight_decay=WEIGHT_DECAY, fused=True)
    progress = load_checkpoint(checkpoint, model, model, optimizer)
    tested = data.images[draws.answered]
    labels = data.labels[draws.answered]
    best = max((one["precision"] for one in progress.history), default=-1.0)
    for epoch in range(len(progress.history) + 1, epochs + 1):
        torch.manual_seed(derived_seed(draw, epoch))  # of dropout
        random = generator(draw, epoch)
        loss = one_epoch(
            model, optimizer, training, data.labels[draws.training], statistics, random, device
        )
        answers = predict_logits(model, tested, statistics, device, view_count=1).argmax(axis=1)
        precision, recall = micro_averages(labels[draws.in_test], answers[draws.in_test], random)
        record = {"epoch": epoch, "loss": loss, "precision": precision, "recall": recall}
        for part in PARTS:
            rows = draws.part == part
            record[part] = balanced_accuracy(labels[rows], answers[rows])
        progress.history.append(record)
        if precision > best:
            best, progress.best_epoch = precision, epoch
            progress.best = {name: one.clone() for name, one in model.state_dict().items()}
        save_checkpoint(checkpoint, progress, model, model, optimizer)
        tell(record)
    model.load_state_dict(progress.best)
    chosen = predict_logits(model, tested, statistics, device, view_count=1).argmax(axis=1)
    return progress.history, chosen


def one_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    images: NDArray[np.uint8],
    labels: NDArray[np.int64],
    statistics: ChannelStatistics,
    random: torch.Generator,
    device: torch.device,
) -> float:
    """Training images drawn evenly, a sigmoid for each class, no augmentation; the mean loss."""
    model.train()
    layout = memory_format_for(model, device)
    targets = functional.one_hot(torch.from_numpy(labels), len(CLASSES)).float()
    total = 0.0
    rows = drawn_evenly(labels, random)
    for chosen in rows.split(BATCH_SIZE):
        batch = torch.from_numpy(images[chosen.numpy()]).to(device)
        with torch.autocast(device.type, torch.bfloat16):
            logits = model(normalised(as_images(batch), statistics, layout))
        loss = functional.binary_cross_entropy_with_logits(
            logits.float(), targets[chosen].to(device)
        )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
    return total / len(rows)
