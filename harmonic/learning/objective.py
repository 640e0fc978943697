"""The loss under class imbalance, and the optimizer."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from harmonic.learning.settings import Recipe

Loss = Callable[[Tensor, Tensor], Tensor]


def make_loss(class_counts: Tensor, imbalance: str, label_smoothing: float) -> Loss:
    """Cross-entropy of logits (B, C) and labels (B,), made fair to rare classes.

    logit_adjustment: cross-entropy of (logits + log prior), so that the bare logits rank classes as
    if all were equally frequent (Menon et al. 2021, arXiv 2007.07314, equation 10, τ = 1).
    class_weights: each image weighs inversely to the frequency of its class.
    none: plain cross-entropy. A class without an image counts as if it had one.
    """
    counts = class_counts.clamp(min=1).float()
    log_prior = torch.log(counts / counts.sum())
    weights = counts.sum() / (len(counts) * counts)

    def loss(logits: Tensor, labels: Tensor) -> Tensor:
        adjusted = logits + log_prior if imbalance == "logit_adjustment" else logits
        return functional.cross_entropy(
            adjusted,
            labels,
            weight=weights if imbalance == "class_weights" else None,
            label_smoothing=label_smoothing,
        )

    return loss


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD with Nesterov momentum 0.9.

    Weight decay acts on the weights of convolutions and linear layers; not on biases and batch
    norm, whose scale carries no capacity. `fused` is one kernel for all parameters. The learning
    rate is 0 until `set_rate` sets it, as every step does.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {
            "params": [parameter for parameter in parameters if parameter.ndim > 1],
            "weight_decay": recipe.weight_decay,
        },
        {
            "params": [parameter for parameter in parameters if parameter.ndim <= 1],
            "weight_decay": 0.0,
        },
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=True, fused=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=0.0, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate
