"""The ways to train: a plan and images in, a calibrated model file out; or a few more epochs."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import nn

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.evaluation.rules import fit_calibration
from harmonic.files import write_bytes, write_text
from harmonic.learning.batches import channel_statistics, predict_logits
from harmonic.learning.loop import Trained, Watch, train
from harmonic.learning.processes import Processes, alone, joined
from harmonic.learning.randomness import derived_seed
from harmonic.learning.settings import Plan, Recipe, Schedule
from harmonic.learning.training_set import first_batch
from harmonic.model_file.description import Calibration, ChannelStatistics, Description
from harmonic.model_file.safetensors_file import described_network, save_model

MODEL, HISTORY, FIRST_BATCH = "model.safetensors", "history.csv", "first_batch.png"
CHECKPOINT = "checkpoint.safetensors"


@dataclass(frozen=True)
class Fitted:
    """A finished training."""

    network: nn.Module
    description: Description
    trained: Trained
    history: pd.DataFrame
    """One row per epoch."""
    processes: Processes


def fit(
    plan: Plan,
    data: LabelledImages,
    folder: Path,
    *,
    device: str,
    digest: str,
    check: Callable[[Processes], None] = lambda processes: None,
    change: Callable[[nn.Module], nn.Module] | None = None,
    watch: Watch = lambda network, epoch: {},
    growing: Path | None = None,
) -> Fitted | None:
    """Train on the set `train` of `data`; its set `val` chooses the epoch and the calibration.

    Writes MODEL, HISTORY and FIRST_BATCH to `folder`. A training that was stopped goes on from
    CHECKPOINT there. None for a process that a launcher started beside the leading one.

    Args:
        plan: what is trained, and how.
        data: images of both sets; others are not looked at.
        folder: of the unfinished work; it is there.
        device: auto, cpu, cuda or cuda:N.
        digest: of the data, for the model file.
        check: called with all processes before training.
        change: what becomes of the fresh network. No plan describes that: MODEL is not written.
        watch: what more is to be found out after each epoch.
        growing: a file that has the rows of HISTORY as far as they are, from epoch to epoch.
    """
    training, validation = data.part("train"), data.part("val")
    statistics = channel_statistics(training.images)
    description = Description(
        network=plan.network,
        conv=plan.conv,
        options=dict(plan.options),
        classes=list(CLASSES),
        class_counts=training.class_counts().tolist(),
        imbalance=plan.recipe.imbalance,
        image_size=plan.image_size,
        aspect=plan.aspect,
        hair_method=plan.hair_method,
        mean=statistics.mean,
        std=statistics.std,
    )

    def tell(history: Sequence[Mapping[str, Any]]) -> None:
        if growing is not None:
            growing.parent.mkdir(parents=True, exist_ok=True)
            write_text(growing, as_csv(history))

    def fresh() -> nn.Module:
        network = described_network(description)
        return network if change is None else change(network)

    content = io.BytesIO()
    Image.fromarray(first_batch(training, plan.recipe)).save(content, "PNG")
    write_bytes(folder / FIRST_BATCH, content.getvalue())
    torch.manual_seed(derived_seed(plan.recipe.seed))
    with joined(device) as processes:
        check(processes)
        trained = train(
            fresh(),
            training,
            validation,
            statistics,
            plan.recipe,
            plan.schedule,
            processes,
            folder / CHECKPOINT,
            watch,
            tell,
        )
        if not processes.leads:
            return None
    network = fresh().to(processes.device)
    network.load_state_dict(trained.state)
    logits = predict_logits(
        network, validation.images, statistics, processes.device, view_count=plan.views
    )
    temperature, exponent = fit_calibration(
        logits, validation.labels, np.array(description.class_counts), description.imbalance
    )
    calibration = Calibration(views=plan.views, temperature=temperature, prior_exponent=exponent)
    provenance = {"data": digest, "seed": plan.recipe.seed, "epoch": trained.best_epoch}
    made = {"calibration": calibration, "provenance": provenance}
    description = description.model_copy(update=made)
    if change is None:
        save_model(folder / MODEL, trained.state, description)
    write_text(folder / HISTORY, as_csv(trained.history))
    return Fitted(network, description, trained, pd.DataFrame(trained.history), processes)


def as_csv(history: Sequence[Mapping[str, Any]]) -> str:
    return str(pd.DataFrame(history).to_csv(index=False, lineterminator="\n"))


def fine_tune(
    model: nn.Module,
    training: LabelledImages,
    validation: LabelledImages,
    statistics: ChannelStatistics,
    recipe: Recipe,
    *,
    epochs: int,
    lr: float,
    device: torch.device,
    checkpoint: Path,
) -> nn.Module:
    """Train a model that has weights already; returns it with those of the best epoch.

    As in training, the validation set chooses the epoch and the weights are averaged. lr is the
    peak; a tenth of the training's is a good start, as the weights are nearly right.
    """
    schedule = Schedule(epochs=epochs, lr=lr, warmup=0.1, ema=0.98, schedule="cosine")
    here = alone(device)
    trained = train(model, training, validation, statistics, recipe, schedule, here, checkpoint)
    model.load_state_dict(trained.state)
    return model.eval()
