"""Training learns, repeats itself to the bit, goes on from a checkpoint, and stops on nonsense."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from harmonic.data.arrays import LabelledImages
from harmonic.errors import InputError
from harmonic.learning import loop
from harmonic.learning.batches import channel_statistics
from harmonic.learning.checkpoint import save_checkpoint
from harmonic.learning.loop import Trained, follower, train
from harmonic.learning.processes import alone
from harmonic.learning.settings import Recipe, Schedule
from harmonic.nn.networks import build_network

CPU = torch.device("cpu")


def run(
    training: LabelledImages,
    validation: LabelledImages,
    recipe: Recipe,
    schedule: Schedule,
    checkpoint: Path,
    conv: str = "harmonic",
) -> Trained:
    torch.manual_seed(recipe.seed)
    model = build_network("small", conv=conv, width=8, dropout=0.1)
    statistics = channel_statistics(training.images)
    return train(model, training, validation, statistics, recipe, schedule, alone(CPU), checkpoint)


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


@pytest.mark.parametrize("conv", ["harmonic", "plain"])
@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
def test_training_learns(
    training: LabelledImages,
    validation: LabelledImages,
    recipe: Recipe,
    schedule: Schedule,
    tmp_path: Path,
    conv: str,
    optimizer: str,
) -> None:
    recipe = recipe.model_copy(update={"optimizer": optimizer})
    lr = 0.05 if optimizer == "sgd" else 0.003
    longer = schedule.model_copy(update={"epochs": 8, "lr": lr})
    trained = run(training, validation, recipe, longer, tmp_path / "c", conv)
    accuracies = [record["val_balanced_accuracy"] for record in trained.history]
    assert max(accuracies) > 0.5  # guessing gives 1/7
    assert trained.best_epoch == accuracies.index(max(accuracies)) + 1


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(
    training: LabelledImages,
    validation: LabelledImages,
    recipe: Recipe,
    schedule: Schedule,
    tmp_path: Path,
) -> None:
    first, second = (
        run(training, validation, recipe, schedule, tmp_path / name) for name in ("a", "b")
    )
    assert same(first.state, second.state)
    assert first.history == second.history
    other = run(
        training, validation, recipe.model_copy(update={"seed": 1}), schedule, tmp_path / "c"
    )
    assert not same(first.state, other.state)


def test_bfloat16_learns_repeats_itself_and_keeps_weights_in_float32(
    training: LabelledImages,
    validation: LabelledImages,
    recipe: Recipe,
    schedule: Schedule,
    tmp_path: Path,
) -> None:
    recipe = recipe.model_copy(update={"precision": "bfloat16"})
    first, second, exact = (
        run(
            training,
            validation,
            recipe.model_copy(update={"precision": precision}),
            schedule,
            tmp_path / name,
        )
        for name, precision in (("a", "bfloat16"), ("b", "bfloat16"), ("c", "float32"))
    )
    assert same(first.state, second.state)
    assert not same(first.state, exact.state)
    assert {v.dtype for v in first.state.values() if v.is_floating_point()} == {torch.float32}
    for found, expected in zip(first.history, exact.history, strict=True):
        assert found["train_loss"] == pytest.approx(expected["train_loss"], rel=0.1)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_interrupted_training_ends_with_the_same_bits(
    training: LabelledImages,
    validation: LabelledImages,
    recipe: Recipe,
    schedule: Schedule,
    tmp_path: Path,
    optimizer: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = recipe.model_copy(update={"optimizer": optimizer})
    whole = run(training, validation, recipe, schedule, tmp_path / "whole")

    saved = []

    def save_and_stop(path: Path, *state: object) -> None:
        save_checkpoint(path, *state)  # type: ignore[arg-type]
        saved.append(path)
        if len(saved) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_checkpoint", save_and_stop)
    with pytest.raises(KeyboardInterrupt):
        run(training, validation, recipe, schedule, tmp_path / "cut")
    monkeypatch.undo()
    resumed = run(training, validation, recipe, schedule, tmp_path / "cut")
    assert same(whole.state, resumed.state)
    assert whole.history == resumed.history
    assert whole.best_epoch == resumed.best_epoch


def test_a_broken_checkpoint_is_left_aside(
    training: LabelledImages,
    validation: LabelledImages,
    recipe: Recipe,
    schedule: Schedule,
    tmp_path: Path,
) -> None:
    (tmp_path / "broken").write_bytes(b"no checkpoint")
    short = schedule.model_copy(update={"epochs": 1})
    trained = run(training, validation, recipe, short, tmp_path / "broken")
    assert same(trained.state, run(training, validation, recipe, short, tmp_path / "new").state)


def test_a_loss_that_is_not_finite_stops_with_step_and_rate(
    training: LabelledImages,
    validation: LabelledImages,
    recipe: Recipe,
    schedule: Schedule,
    tmp_path: Path,
) -> None:
    """A learning rate far too high is enough; the message says how high it was."""
    wild = schedule.model_copy(update={"lr": 1e30, "warmup": 0.0})
    message = r"loss is (nan|inf) at step [2-6] of 24 \(epoch 1, learning rate \d\S*e\+(29|30)\)"
    with pytest.raises(InputError, match=message) as caught:
        run(
            training,
            validation,
            recipe.model_copy(update={"optimizer": "sgd"}),
            wild,
            tmp_path / "c",
        )
    assert "the last good checkpoint is of epoch 0" in str(caught.value)
    assert not (tmp_path / "c").exists()


def test_outputs_that_are_not_finite_after_the_last_step_stop_the_run(
    training: LabelledImages,
    validation: LabelledImages,
    recipe: Recipe,
    schedule: Schedule,
    tmp_path: Path,
) -> None:
    """One step an epoch: its loss is that of the weights before it."""
    wild = schedule.model_copy(update={"lr": 1e38, "warmup": 0.0})
    once = recipe.model_copy(update={"optimizer": "sgd", "batch_size": len(training.labels)})
    message = r"outputs .* not finite at step 1 of 4 \(epoch 1, learning rate .*\); lower lr"
    with pytest.raises(InputError, match=message):
        run(training, validation, once, wild, tmp_path / "c")
    assert not (tmp_path / "c").exists()


def test_the_average_follows_weights_and_statistics_and_copies_counters() -> None:
    average, model = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(5.0)  # type: ignore[union-attr]
        model.num_batches_tracked.fill_(7)  # type: ignore[union-attr]
    follower(average, model, decay=0.5)(1000)
    assert average.weight.tolist() == [2.0, 2.0]
    assert average.running_mean.tolist() == [2.5, 2.5]  # type: ignore[union-attr]
    assert int(average.num_batches_tracked) == 7  # type: ignore[arg-type]


def test_the_epoch_is_chosen_by_the_figure_that_is_named(
    training: LabelledImages,
    validation: LabelledImages,
    recipe: Recipe,
    schedule: Schedule,
    tmp_path: Path,
) -> None:
    """Those that are watched count, too; without a name the last epoch is kept."""
    chosen = {}
    for by in ("second", None):
        model = build_network("small", width=8)
        trained = train(
            *(model, training, validation, channel_statistics(training.images), recipe),
            *(schedule.model_copy(update={"chosen_by": by}), alone(CPU), tmp_path / str(by)),
            watch=lambda network, epoch: {"second": float(epoch == 2)},
        )
        assert [record["second"] for record in trained.history] == [0, 1, 0, 0]
        chosen[by] = trained.best_epoch
    assert chosen == {"second": 2, None: 4}
