"""The loss against PyTorch's, with whole and with mixed targets; the schedule against PyTorch's."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from harmonic.learning.objective import make_loss, make_optimizer, set_momentum
from harmonic.learning.randomness import generator
from harmonic.learning.settings import Recipe, Schedule

COUNTS = torch.tensor([6.0, 3.0, 1.0])
LOGITS = torch.randn(5, 3, generator=generator(0))
LABELS = torch.tensor([0, 1, 2, 0, 1])
PARTNERS = torch.tensor([2, 0, 1, 0, 2])
SHARE = torch.tensor([0.3, 0.0, 1.0, 0.5, 0.9])


def one_hot(labels: Tensor) -> Tensor:
    return functional.one_hot(labels, 3).float()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("imbalance", ["logit_adjustment", "class_weights", "none"])
def test_the_loss_is_cross_entropy_made_fair(
    recipe: Recipe, imbalance: str, smoothing: float
) -> None:
    """Logit adjustment adds the log prior; class weights are inverse to the frequency."""
    weights = 10 / (3 * COUNTS) if imbalance == "class_weights" else None
    adjusted = LOGITS + torch.log(COUNTS / 10) if imbalance == "logit_adjustment" else LOGITS
    expected = functional.cross_entropy(adjusted, LABELS, weight=weights, label_smoothing=smoothing)
    recipe = recipe.model_copy(update={"imbalance": imbalance, "label_smoothing": smoothing})
    found = make_loss(COUNTS, recipe)(LOGITS, one_hot(LABELS))
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("imbalance", ["logit_adjustment", "class_weights", "focal", "none"])
def test_a_mixed_target_costs_what_its_parts_cost(
    recipe: Recipe, imbalance: str, smoothing: float
) -> None:
    """Loss and weight of an image are its share of one class plus its share of the other."""
    loss = make_loss(
        COUNTS, recipe.model_copy(update={"imbalance": imbalance, "label_smoothing": smoothing})
    )
    totals, weights = [], []
    for row, share in enumerate(SHARE.tolist()):
        logits = LOGITS[row : row + 1]
        parts = [one_hot(labels[row : row + 1]) for labels in (LABELS, PARTNERS)]
        for of_part, part in zip((1 - share, share), parts, strict=True):
            totals.append(of_part * float(loss.total(logits, part)))
            weights.append(of_part * float(loss.weight(part)))
    mixed = torch.lerp(one_hot(LABELS), one_hot(PARTNERS), SHARE[:, None])
    assert float(loss(LOGITS, mixed)) == pytest.approx(sum(totals) / sum(weights), rel=1e-5)


def test_a_sigmoid_is_asked_class_by_class(recipe: Recipe) -> None:
    changed = {"imbalance": "resampling", "loss": "sigmoid"}
    found = make_loss(COUNTS, recipe.model_copy(update=changed))(LOGITS, one_hot(LABELS))
    expected = functional.binary_cross_entropy_with_logits(LOGITS, one_hot(LABELS))
    assert float(found) == pytest.approx(float(expected), rel=1e-6)


def test_a_constant_rate_rises_and_stays() -> None:
    schedule = Schedule(epochs=1, lr=0.1, warmup=0.2, ema=0.9, schedule="constant")
    rates = [schedule.rate_at(step, 10) for step in range(10)]
    assert rates == pytest.approx([0.05] + 9 * [0.1])


@pytest.mark.parametrize("nesterov", [True, False])
def test_sgd_has_the_momentum_of_the_recipe(recipe: Recipe, nesterov: bool) -> None:
    changed = {"optimizer": "sgd", "nesterov": nesterov}
    (group, _) = make_optimizer(nn.Linear(2, 2), recipe.model_copy(update=changed)).param_groups
    assert (group["momentum"], group["nesterov"]) == (0.9, nesterov)


def test_class_weights_make_classes_count_the_same(recipe: Recipe) -> None:
    logits = torch.zeros(10, 2)
    logits[:8, 0] = 1.0
    targets = functional.one_hot(torch.tensor([0] * 8 + [1] * 2)).float()
    right, wrong = functional.softplus(torch.tensor([-1.0, 0.0]))
    loss = make_loss(
        torch.tensor([8.0, 2.0]), recipe.model_copy(update={"imbalance": "class_weights"})
    )
    assert float(loss(logits, targets)) == pytest.approx(float((right + wrong) / 2), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_the_focal_loss_scales_each_answer_by_its_doubt(recipe: Recipe, gamma: float) -> None:
    loss = make_loss(COUNTS, recipe.model_copy(update={"imbalance": "focal", "focal_gamma": gamma}))
    probability = LOGITS.softmax(1)[torch.arange(5), LABELS]
    expected = -((1 - probability) ** gamma * probability.log()).mean()
    assert float(loss(LOGITS, one_hot(LABELS))) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_the_focal_loss_has_a_finite_slope_where_the_network_is_sure(
    recipe: Recipe, gamma: float
) -> None:
    logits = torch.tensor([[200.0, -200.0, 0.0], [-200.0, 200.0, 0.0]], requires_grad=True)
    loss = make_loss(COUNTS, recipe.model_copy(update={"imbalance": "focal", "focal_gamma": gamma}))
    loss(logits, one_hot(torch.tensor([0, 0]))).backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


@given(steps=st.integers(1, 500), warmup=st.floats(0, 0.5))
@pytest.mark.parametrize("kind", ["cosine", "one_cycle"])
def test_the_rate_rises_to_lr_and_falls_towards_zero(kind: str, steps: int, warmup: float) -> None:
    schedule = Schedule(epochs=1, lr=0.1, warmup=warmup, ema=0.9, schedule=kind)
    rates = [schedule.rate_at(step, steps) for step in range(steps)]
    peak = rates.index(max(rates))
    # One cycle's peak lies between two steps where the warm-up is no whole number of them.
    assert max(rates) == pytest.approx(0.1) if kind == "cosine" else max(rates) <= 0.1
    assert min(rates) > 0
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize("warmup", [0.1, 0.3, 0.5])
def test_one_cycle_is_the_one_of_pytorch(recipe: Recipe, optimizer: str, warmup: float) -> None:
    schedule = Schedule(epochs=1, lr=0.1, warmup=warmup, ema=0.9, schedule="one_cycle")
    ours, theirs = (
        make_optimizer(nn.Linear(2, 2), recipe.model_copy(update={"optimizer": optimizer}))
        for _ in range(2)
    )
    steps = 57
    reference = torch.optim.lr_scheduler.OneCycleLR(
        theirs, max_lr=0.1, total_steps=steps, pct_start=warmup
    )
    for step in range(steps):
        momentum = schedule.momentum_at(step, steps)
        assert momentum is not None
        set_momentum(ours, momentum)
        for mine, other in zip(ours.param_groups, theirs.param_groups, strict=True):
            assert schedule.rate_at(step, steps) == pytest.approx(other["lr"], rel=1e-6)
            name = "momentum" if optimizer == "sgd" else "betas"
            assert mine[name] == pytest.approx(other[name], rel=1e-6)
        theirs.step()
        if step + 1 < steps:
            reference.step()
