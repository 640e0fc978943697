"""Training, from top to bottom.

The images live on the device as one uint8 array. Each epoch draws its order and its augmentation
from a generator of its own and ends with validation and a checkpoint. What is kept is the moving
average of the weights at the epoch with the best balanced accuracy on the validation set.
"""

import copy
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score
from torch import nn
from tqdm import tqdm

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.description import ChannelStatistics
from harmonic.errors import InputError
from harmonic.learning.augment import augment
from harmonic.learning.batches import (
    as_images,
    batches,
    normalised,
    predict_logits,
)
from harmonic.learning.checkpoint import Progress, State, load_checkpoint, save_checkpoint
from harmonic.learning.objective import (
    Loss,
    make_loss,
    make_optimizer,
    set_rate,
)
from harmonic.learning.randomness import derived_seed, generator
from harmonic.learning.settings import Recipe, Schedule, forward_precision


@dataclass(frozen=True)
class Trained:
    """The result of a run."""

    state: State
    """Weights of the chosen epoch, on the CPU."""
    history: list[dict[str, Any]]
    """A record of each epoch: learning rate, losses, validation metrics."""
    best_epoch: int
    resumed_after: int
    """Epochs that were taken over from the checkpoint."""
    images_per_second: float
    """Of the training steps of this process; 0 where it only took up a finished run."""


def train(
    model: nn.Module,
    training: LabelledImages,
    validation: LabelledImages,
    statistics: ChannelStatistics,
    recipe: Recipe,
    schedule: Schedule,
    device: torch.device,
    checkpoint: Path,
) -> Trained:
    """Train `model`, going on from `checkpoint` where there is one.

    Raises InputError naming epoch, step and learning rate where the loss is not finite.
    """
    model = model.to(device)
    average = copy.deepcopy(model).eval()
    optimizer = make_optimizer(model, recipe)
    progress = load_checkpoint(checkpoint, model, average, optimizer)
    pixels = torch.from_numpy(np.array(training.images)).to(device)
    labels = torch.from_numpy(training.labels).to(device)
    counts = torch.from_numpy(training.class_counts()).to(device)
    loss_of = make_loss(counts, recipe.imbalance, recipe.label_smoothing)

    steps_an_epoch = math.ceil(len(labels) / recipe.batch_size)
    steps = steps_an_epoch * schedule.epochs
    first_epoch = len(progress.history)
    seen, seconds = 0, 0.0
    with tqdm(
        total=steps,
        initial=first_epoch * steps_an_epoch,
        desc="train",
        unit="step",
        disable=None,
    ) as bar:
        for epoch in range(first_epoch, schedule.epochs):
            started = time.perf_counter()
            random = generator(recipe.seed, epoch)
            torch.manual_seed(derived_seed(recipe.seed, epoch, 1))  # dropout
            model.train()
            losses = []
            for number, rows in enumerate(batches(len(labels), recipe.batch_size, random)):
                step = epoch * steps_an_epoch + number
                set_rate(optimizer, schedule.rate_at(step, steps))
                here = rows.to(device)
                images = augment(as_images(pixels[here]), recipe.augmentation, random)
                with forward_precision(recipe.precision, device):
                    logits = model(normalised(images, statistics))
                loss = loss_of(logits.float(), labels[here])
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), recipe.clip)
                optimizer.step()
                follow(average, model, schedule.ema, step)
                losses.append(loss.detach())
                bar.update()
            epoch_losses = torch.stack(losses).cpu()
            check_finite(epoch_losses, epoch, steps_an_epoch, steps, schedule)
            seen += len(labels)
            seconds += time.perf_counter() - started

            record = {
                "epoch": epoch + 1,
                "lr": round(schedule.rate_at((epoch + 1) * steps_an_epoch - 1, steps), 9),
                "train_loss": round(float(epoch_losses.mean()), 6),
                **validate(average, validation, statistics, device, loss_of),
            }
            progress = advanced(progress, record, average)
            save_checkpoint(checkpoint, progress, model, average, optimizer)
            bar.set_postfix(val_balanced_accuracy=f"{record['val_balanced_accuracy']:.3f}")
    speed = seen / seconds if seconds else 0.0
    state = {name: value.cpu() for name, value in progress.best.items()}
    return Trained(state, progress.history, progress.best_epoch, first_epoch, speed)


@torch.no_grad()
def follow(average: nn.Module, model: nn.Module, decay: float, step: int) -> None:
    """One step of the exponential moving average of weights and batch norm statistics.

    The decay rises towards `decay` so that the first steps do not weigh in for long.
    """
    now = min(decay, (1 + step) / (10 + step))
    pairs = zip(average.state_dict().values(), model.state_dict().values(), strict=True)
    for kept, new in pairs:
        if kept.is_floating_point():
            kept.lerp_(new, 1 - now)
        else:
            kept.copy_(new)


def validate(
    model: nn.Module,
    validation: LabelledImages,
    statistics: ChannelStatistics,
    device: torch.device,
    loss_of: Loss,
) -> dict[str, float]:
    """Loss and metrics on the validation set, of the bare logits, one view."""
    logits = predict_logits(model, validation.images, statistics, device, view_count=1)
    labels = validation.labels
    probabilities = torch.from_numpy(logits).softmax(dim=1).numpy()
    loss = loss_of(torch.from_numpy(logits).to(device), torch.from_numpy(labels).to(device))
    area = roc_auc_score(labels, probabilities, multi_class="ovr", labels=range(len(CLASSES)))
    found = {
        "val_loss": float(loss),
        "val_balanced_accuracy": float(balanced_accuracy_score(labels, logits.argmax(1))),
        "val_accuracy": float(accuracy_score(labels, logits.argmax(1))),
        "val_macro_auc": float(area),
    }
    return {name: round(value, 6) for name, value in found.items()}


def advanced(progress: Progress, record: dict[str, Any], average: nn.Module) -> Progress:
    """The progress after one more epoch; among equally good epochs the first is kept."""
    so_far = max((past["val_balanced_accuracy"] for past in progress.history), default=-1.0)
    history = [*progress.history, record]
    if record["val_balanced_accuracy"] <= so_far:
        return Progress(history, progress.best, progress.best_epoch)
    best = {name: value.detach().clone() for name, value in average.state_dict().items()}
    return Progress(history, best, record["epoch"])


def check_finite(
    losses: torch.Tensor, epoch: int, steps_an_epoch: int, steps: int, schedule: Schedule
) -> None:
    wrong = torch.nonzero(~torch.isfinite(losses))
    if len(wrong):
        step = epoch * steps_an_epoch + int(wrong[0])
        raise InputError(
            f"the loss is {float(losses[wrong[0]])} at step {step + 1} of {steps} "
            f"(epoch {epoch + 1}, learning rate {schedule.rate_at(step, steps):.3g}); "
            f"lower lr ({schedule.lr:g}); the last good checkpoint is of epoch {epoch}"
        )
