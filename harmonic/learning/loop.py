"""Training, from top to bottom.

The images live on the device as one uint8 array. Each epoch draws its order and its augmentation
from a generator of its own and ends with validation and a checkpoint. What is kept is the moving
average of the weights at the epoch with the best balanced accuracy on the validation set.
"""

import copy
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.learning.batches import predict_logits
from harmonic.learning.checkpoint import Progress, State, load_checkpoint, save_checkpoint
from harmonic.learning.learner import Learner, make_learner
from harmonic.learning.memory import is_out_of_memory, out_of_memory_line
from harmonic.learning.objective import set_momentum
from harmonic.learning.processes import Processes, is_lost_process
from harmonic.learning.randomness import derived_seed, generator
from harmonic.learning.settings import Recipe, Schedule
from harmonic.model_file.description import ChannelStatistics

Watch = Callable[[nn.Module, int], Mapping[str, float]]
"""From the averaged network and the number of its epoch to more figures of the history."""
Tell = Callable[[Sequence[Mapping[str, Any]]], None]
"""What is done with the history as far as it is, after each epoch."""
BAR = "{desc} |{bar}| {percentage:3.0f}% [{elapsed}<{remaining}{postfix}]"
"""No rate and no count of steps, so that 80 columns leave the bar half of the line."""


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
    tell: Tell = lambda history: None,
) -> Trained:
    """Train `model`, going on from `checkpoint` where there is one.

    Several processes train one network together; the first alone validates and writes, and its
    result alone is whole. What `watch` finds after an epoch joins its record, and `tell` gets all.

    Raises InputError naming epoch, step and learning rate where a loss, or an output after an
    epoch, is not finite, and naming the batch size and what would fit where memory runs out.
    """
    try:
        return run_epochs(  # without names here, which would hold memory when it has run out
            copy.deepcopy(model).to(processes.device).eval(),
            make_learner(model, training, statistics, recipe, processes),
            validation,
            schedule,
            checkpoint,
            watch,
            tell,
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


def run_epochs(
    average: nn.Module,
    learner: Learner,
    validation: LabelledImages,
    schedule: Schedule,
    checkpoint: Path,
    watch: Watch,
    tell: Tell,
) -> Trained:
    """The epochs that `checkpoint` has not; `average` follows the learner's model."""
    processes, recipe = learner.processes, learner.recipe
    with processes.leaders_file(checkpoint) as file:
        progress = load_checkpoint(file, learner.model, average, learner.optimizer)
    follow = follower(average, learner.model, schedule.ema)
    first_epoch = len(progress.history)
    images = len(learner.data.pixels)
    steps_an_epoch = math.ceil(images / recipe.batch_size)
    steps = steps_an_epoch * schedule.epochs

    def diverged(what: str, step: int) -> InputError:
        epoch = step // steps_an_epoch
        return InputError(
            f"{what} at step {step + 1} of {steps} "
            f"(epoch {epoch + 1}, learning rate {schedule.rate_at(step, steps):.3g}); "
            f"lower lr ({schedule.lr:g}); the last good checkpoint is of epoch {epoch}"
        )

    seconds = 0.0
    with tqdm(
        total=steps,
        initial=first_epoch * steps_an_epoch,
        desc="train",
        postfix="val –    ",  # as wide as what follows, so that the bar keeps its width
        bar_format=BAR,
        disable=None if processes.leads else True,
    ) as bar:
        for epoch in range(first_epoch, schedule.epochs):
            number = f"{epoch + 1:{len(str(schedule.epochs))}}"
            bar.set_description_str(f"train: epoch {number} of {schedule.epochs}")
            started = time.perf_counter()
            random = generator(recipe.seed, epoch)
            torch.manual_seed(derived_seed(recipe.seed, epoch, 1 + processes.rank))  # dropout
            learner.model.train()
            first, last = epoch * steps_an_epoch, (epoch + 1) * steps_an_epoch - 1
            losses = []
            for step, draws in enumerate(learner.data.epoch(random), first):
                momentum = schedule.momentum_at(step, steps)
                if momentum is not None:
                    set_momentum(learner.optimizer, momentum)
                losses.append(learner.step(draws, schedule.rate_at(step, steps)))
                follow(step)
                bar.update()
            epoch_losses = processes.add_up(torch.stack(losses)).cpu()
            if len(wrong := torch.nonzero(~torch.isfinite(epoch_losses))):
                worst = int(wrong[0])
                raise diverged(f"the loss is {float(epoch_losses[worst])}", first + worst)
            seconds += time.perf_counter() - started
            if not processes.leads:
                continue

            metrics = validate(average, validation, learner)
            if metrics is None:  # no loss tells what the last step led to
                raise diverged("outputs for the validation set are not finite", last)
            record = {
                "epoch": epoch + 1,
                "lr": round(schedule.rate_at(last, steps), 9),
                "train_loss": round(float(epoch_losses.mean()), 6),
                **metrics,
                **watch(average, epoch + 1),
            }
            progress = advanced(progress, record, average, schedule.chosen_by)
            save_checkpoint(checkpoint, progress, learner.model, average, learner.optimizer)
            tell(progress.history)
            bar.set_postfix_str(f"val {record['val_balanced_accuracy']:.3f}")
    speed = images * (schedule.epochs - first_epoch) / seconds if seconds else 0.0
    state = {name: value.cpu() for name, value in progress.best.items()}
    return Trained(state, progress.history, progress.best_epoch, first_epoch, speed)


def follower(average: nn.Module, model: nn.Module, decay: float) -> Callable[[int], None]:
    """What lets `average` follow a model, step by step: weights and batch norm statistics.

    It is an exponential moving average; its decay rises towards `decay` so that the first steps do
    not weigh in for long.
    """
    pairs = list(zip(average.state_dict().values(), model.state_dict().values(), strict=True))
    averages, weights = zip(*[one for one in pairs if one[0].is_floating_point()], strict=True)
    counters = [one for one in pairs if not one[0].is_floating_point()]

    @torch.no_grad()
    def follow(step: int) -> None:
        torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + step) / (10 + step)))
        if counters:
            kept, new = zip(*counters, strict=True)
            torch._foreach_copy_(kept, new)

    return follow


def validate(
    model: nn.Module, validation: LabelledImages, learner: Learner
) -> dict[str, float] | None:
    """Loss and metrics on the validation set, of the bare logits, one view, in float32.

    None where a logit is not finite.
    """
    device, labels = learner.processes.device, validation.labels
    logits = predict_logits(model, validation.images, learner.statistics, device, view_count=1)
    if not np.isfinite(logits).all():
        return None
    probabilities = torch.from_numpy(logits).softmax(dim=1).numpy()
    targets = functional.one_hot(torch.from_numpy(labels), len(CLASSES)).double()
    loss = learner.loss(torch.from_numpy(logits).to(device), targets.to(device))
    area = roc_auc_score(labels, probabilities, multi_class="ovr", labels=range(len(CLASSES)))
    found = {
        "val_loss": float(loss),
        "val_balanced_accuracy": float(balanced_accuracy_score(labels, logits.argmax(1))),
        "val_accuracy": float(accuracy_score(labels, logits.argmax(1))),
        "val_macro_auc": float(area),
    }
    return {name: round(value, 6) for name, value in found.items()}


def advanced(
    progress: Progress, record: dict[str, Any], average: nn.Module, chosen_by: str | None
) -> Progress:
    """The progress after one more epoch; among equally good epochs the first is kept."""
    history = [*progress.history, record]
    if chosen_by and any(one[chosen_by] >= record[chosen_by] for one in progress.history):
        return Progress(history, progress.best, progress.best_epoch)
    best = {name: value.detach().clone() for name, value in average.state_dict().items()}
    return Progress(history, best, record["epoch"])
