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

import torch
from torch import nn
from tqdm import tqdm

from harmonic.data.arrays import LabelledImages
from harmonic.errors import InputError
from harmonic.learning.checkpoint import Progress, State, load_checkpoint, save_checkpoint
from harmonic.learning.learner import make_learner
from harmonic.learning.memory import is_out_of_memory, out_of_memory_line
from harmonic.learning.objective import set_momentum
from harmonic.learning.processes import Processes, is_lost_process
from harmonic.learning.randomness import derived_seed, generator
from harmonic.learning.settings import Recipe, Schedule
from harmonic.learning.validation import Watch, validate
from harmonic.model_file.description import ChannelStatistics


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
    processes: Processes,
    checkpoint: Path,
    watch: Watch = lambda network, epoch: {},
) -> Trained:
    """Train `model`, going on from `checkpoint` where there is one.

    Several processes train one network together; the first alone validates and writes, and its
    result alone is whole. What `watch` finds after an epoch joins its record.

    Raises InputError naming epoch, step and learning rate where a loss, or an output after an
    epoch, is not finite, and naming the batch size and what would fit where memory runs out.
    """
    try:
        return train_on(
            *(model, training, validation, statistics, recipe, schedule),
            *(processes, checkpoint, watch),
        )
    except (RuntimeError, MemoryError) as error:
        if is_lost_process(error):
            raise InputError(
                f"one of the {processes.count} processes has ended; the next run goes on from the "
                "last finished epoch"
            ) from None
        if not is_out_of_memory(error):
            raise
    # Here the exception is gone, and with it the tensors that its traceback held.
    batch, side = min(recipe.batch_size, len(training.labels)), training.images.shape[1]
    raise InputError(out_of_memory_line(model, batch, side, recipe.precision, processes.device))


def train_on(
    model: nn.Module,
    training: LabelledImages,
    validation: LabelledImages,
    statistics: ChannelStatistics,
    recipe: Recipe,
    schedule: Schedule,
    processes: Processes,
    checkpoint: Path,
    watch: Watch,
) -> Trained:
    device = processes.device
    average = copy.deepcopy(model).to(device).eval()
    learner = make_learner(model, training, statistics, recipe, processes)
    with processes.leaders_file(checkpoint) as file:
        progress = load_checkpoint(file, learner.model, average, learner.optimizer)

    images = len(training.labels)
    steps_an_epoch = math.ceil(images / recipe.batch_size)
    steps = steps_an_epoch * schedule.epochs
    first_epoch = len(progress.history)
    seen, seconds = 0, 0.0
    with tqdm(
        total=steps,
        initial=first_epoch * steps_an_epoch,
        desc="train",
        unit="step",
        disable=None if processes.leads else True,
    ) as bar:
        for epoch in range(first_epoch, schedule.epochs):
            started = time.perf_counter()
            random = generator(recipe.seed, epoch)
            torch.manual_seed(derived_seed(recipe.seed, epoch, 1 + processes.rank))  # dropout
            learner.model.train()
            losses = []
            for number, rows in enumerate(learner.data.batches(random)):
                step = epoch * steps_an_epoch + number
                momentum = schedule.momentum_at(step, steps)
                if momentum is not None:
                    set_momentum(learner.optimizer, momentum)
                losses.append(learner.step(rows, random, schedule.rate_at(step, steps)))
                follow(average, learner.model, schedule.ema, step)
                bar.update()
            epoch_losses = processes.add_up(torch.stack(losses)).cpu()
            check_finite(epoch_losses, epoch, steps_an_epoch, steps, schedule)
            seen += images
            seconds += time.perf_counter() - started
            if not processes.leads:
                continue

            last = (epoch + 1) * steps_an_epoch - 1
            try:
                metrics = validate(average, validation, statistics, device, learner.loss)
            except FloatingPointError as error:  # no loss tells what the last step led to
                raise InputError(diverged(str(error), last, epoch, steps, schedule)) from None
            record = {
                "epoch": epoch + 1,
                "lr": round(schedule.rate_at(last, steps), 9),
                "train_loss": round(float(epoch_losses.mean()), 6),
                **metrics,
                **watch(average, epoch + 1),
            }
            progress = advanced(progress, record, average, schedule.chosen_by)
            save_checkpoint(checkpoint, progress, learner.model, average, learner.optimizer)
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


def advanced(
    progress: Progress, record: dict[str, Any], average: nn.Module, chosen_by: str | None
) -> Progress:
    """The progress after one more epoch; among equally good epochs the first is kept."""
    history = [*progress.history, record]
    if chosen_by and any(one[chosen_by] >= record[chosen_by] for one in progress.history):
        return Progress(history, progress.best, progress.best_epoch)
    best = {name: value.detach().clone() for name, value in average.state_dict().items()}
    return Progress(history, best, record["epoch"])


def check_finite(
    losses: torch.Tensor, epoch: int, steps_an_epoch: int, steps: int, schedule: Schedule
) -> None:
    wrong = torch.nonzero(~torch.isfinite(losses))
    if len(wrong):
        step = epoch * steps_an_epoch + int(wrong[0])
        what = f"the loss is {float(losses[wrong[0]])}"
        raise InputError(diverged(what, step, epoch, steps, schedule))


def diverged(what: str, step: int, epoch: int, steps: int, schedule: Schedule) -> str:
    return (
        f"{what} at step {step + 1} of {steps} "
        f"(epoch {epoch + 1}, learning rate {schedule.rate_at(step, steps):.3g}); "
        f"lower lr ({schedule.lr:g}); the last good checkpoint is of epoch {epoch}"
    )
