"""What the validation set says of a network; it chooses the epoch."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, roc_auc_score
from torch import nn
from torch.nn import functional

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.learning.batches import predict_logits
from harmonic.learning.objective import Loss
from harmonic.model_file.description import ChannelStatistics

Watch = Callable[[nn.Module, int], Mapping[str, float]]
"""From the averaged network and the number of its epoch to more figures of the history."""


def validate(
    model: nn.Module,
    validation: LabelledImages,
    statistics: ChannelStatistics,
    device: torch.device,
    loss_of: Loss,
) -> dict[str, float]:
    """Loss and metrics on the validation set, of the bare logits, one view, in float32.

    Raises FloatingPointError where a logit is not finite.
    """
    logits = predict_logits(model, validation.images, statistics, device, view_count=1)
    if not np.isfinite(logits).all():
        raise FloatingPointError("outputs for the validation set are not finite")
    labels = validation.labels
    probabilities = torch.from_numpy(logits).softmax(dim=1).numpy()
    targets = functional.one_hot(torch.from_numpy(labels), len(CLASSES)).double()
    loss = loss_of(torch.from_numpy(logits).to(device), targets.to(device))
    area = roc_auc_score(labels, probabilities, multi_class="ovr", labels=range(len(CLASSES)))
    found = {
        "val_loss": float(loss),
        "val_balanced_accuracy": float(balanced_accuracy_score(labels, logits.argmax(1))),
        "val_accuracy": float(accuracy_score(labels, logits.argmax(1))),
        "val_macro_auc": float(area),
    }
    return {name: round(value, 6) for name, value in found.items()}
