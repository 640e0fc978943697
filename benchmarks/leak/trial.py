"""One training of the study: a network on one of the two training sets, its answers on the test."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.special import softmax

from benchmarks.leak.design import Design
from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.learning.batches import channel_statistics, predict_logits
from harmonic.learning.device import choose_device
from harmonic.learning.loop import train
from harmonic.learning.processes import alone
from harmonic.learning.randomness import derived_seed
from harmonic.nn.networks import build_network
from stages.harness.params import Params
from stages.training import conv_of, network_options, recipe_of, schedule_of

ARMS = ("clean", "leaky")


def run_trial(
    data: LabelledImages, design: Design, arm: str, params: Params, checkpoint: Path
) -> tuple[np.ndarray, dict[str, Any]]:
    """Train on one arm from `params.seed`: balanced-rule probabilities (test images, 7), and facts.

    Goes on from `checkpoint` where an earlier process stopped.
    """
    started = time.perf_counter()
    training = rows_of(data, design.clean if arm == "clean" else design.leaky)
    statistics = channel_statistics(training.images)
    torch.manual_seed(derived_seed(params.seed))
    model = build_network(
        params.train.network,
        num_classes=len(CLASSES),
        conv=conv_of(params),
        **network_options(params),
    )
    device = choose_device(params.device)
    trained = train(
        model,
        training,
        rows_of(data, design.val),
        statistics,
        recipe_of(params),
        schedule_of(params),
        alone(device),
        checkpoint,
    )
    model.load_state_dict(trained.state)
    test = data.images[design.test]
    logits = predict_logits(model.to(device), test, statistics, device, view_count=1)
    best = trained.history[trained.best_epoch - 1]
    facts = {
        "training_images": len(training.labels),
        "training_lesions": len(np.unique(training.groups)),
        "best_epoch": trained.best_epoch,
        "val_balanced_accuracy": best["val_balanced_accuracy"],
        "device": device.type,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "seconds": round(time.perf_counter() - started),
    }
    return softmax(logits, axis=1), facts


def rows_of(data: LabelledImages, rows: np.ndarray) -> LabelledImages:
    return LabelledImages(
        data.image_ids[rows],
        data.images[rows],
        data.labels[rows],
        data.groups[rows],
        data.sets[rows],
    )
