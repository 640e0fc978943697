"""The loss under class imbalance, and the optimizer."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from harmonic.learning.settings import Recipe


@dataclass(frozen=True)
class Loss:
    """Cross-entropy of logits (B, C) and targets (B, C), whose rows sum to one.

    A batch's loss is Σ of its images' losses over Σ of their weights, which are 1 but for class
    weights. The two sums are apart so that a batch can be dealt out over processes.
    """

    log_prior: Tensor
    """(C,), added to the logits; zeros without logit adjustment."""
    class_weights: Tensor
    """(C,); ones without class weights."""
    label_smoothing: float
    focal_gamma: float
    """γ of the focal loss; 0 is cross-entropy."""
    sigmoid: bool = False
    """Whether each class is a question of its own, their cross-entropies averaged."""

    def total(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Σ over the images of their weighted losses."""
        smoothing = self.label_smoothing
        smooth = targets * (1 - smoothing) + smoothing / targets.shape[1] if smoothing else targets
        if self.sigmoid:
            return functional.binary_cross_entropy_with_logits(
                logits + self.log_prior, smooth, self.class_weights, reduction="sum"
            ) / len(self.class_weights)
        log_probability = functional.log_softmax(logits + self.log_prior, dim=1)
        terms = smooth * self.class_weights * log_probability
        if self.focal_gamma:
            # Not quite 0, where the slope of a power below 1 is infinite.
            doubt = -torch.expm1(log_probability).clamp(max=-1e-6)
            terms = terms * doubt**self.focal_gamma
        return -terms.sum()

    def weight(self, targets: Tensor) -> Tensor:
        """Σ over the images of their weights."""
        return (targets * self.class_weights).sum()

    def __call__(self, logits: Tensor, targets: Tensor) -> Tensor:
        return self.total(logits, targets) / self.weight(targets)


def make_loss(class_counts: Tensor, recipe: Recipe) -> Loss:
    """The loss that is fair to rare classes in the way `recipe.imbalance` names.

    logit_adjustment: cross-entropy of (logits + log prior), so that the bare logits rank classes as
    if all were equally frequent (Menon et al. 2021, arXiv 2007.07314, equation 10, τ = 1).
    class_weights: each image weighs inversely to the frequency of its class.
    focal: a term counts less, by (1 − p)^γ, the surer the network is of it (Lin et al. 2017, arXiv
    1708.02002, equation 4, without α).
    resampling: plain cross-entropy, of images drawn so that all classes come equally often.
    none: plain cross-entropy. A class without an image counts as if it had one.
    """
    counts = class_counts.clamp(min=1).float()
    log_prior = torch.log(counts / counts.sum())
    weights = counts.sum() / (len(counts) * counts)
    way = recipe.imbalance
    return Loss(
        log_prior if way == "logit_adjustment" else torch.zeros_like(log_prior),
        weights if way == "class_weights" else torch.ones_like(weights),
        recipe.label_smoothing,
        recipe.focal_gamma if way == "focal" else 0.0,
        recipe.loss == "sigmoid",
    )


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """Adam, AdamW or SGD with momentum 0.9, Nesterov's unless the recipe says otherwise.

    Weight decay acts on the weights of convolutions and linear layers; without `decay_all` not on
    biases and batch norm, whose scale carries no capacity. `fused` is one kernel for all
    parameters. The learning rate is 0 until `set_rate` sets it, as every step does.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    groups = [
        {
            "params": [parameter for parameter in parameters if parameter.ndim > 1],
            "weight_decay": recipe.weight_decay,
        },
        {
            "params": [parameter for parameter in parameters if parameter.ndim <= 1],
            "weight_decay": recipe.weight_decay if recipe.decay_all else 0.0,
        },
    ]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=0.0, momentum=0.9, nesterov=recipe.nesterov, fused=True)
    kind = torch.optim.Adam if recipe.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=0.0, fused=True)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    for group in optimizer.param_groups:
        group["lr"] = rate


def set_momentum(optimizer: torch.optim.Optimizer, momentum: float) -> None:
    """SGD's momentum, or the decay of Adam's first moment, which is the same to it."""
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        else:
            group["momentum"] = momentum
