"""Mixup, CutMix and random erasing: what is taken over is what the target says."""

from pathlib import Path

import pytest
import torch

from harmonic.data.arrays import LabelledImages
from harmonic.learning.augment import augment, draw_changes, draw_mix
from harmonic.learning.batches import channel_statistics
from harmonic.learning.loop import train
from harmonic.learning.processes import alone
from harmonic.learning.randomness import generator
from harmonic.learning.settings import Augmentation, Mixing, Recipe, Schedule
from harmonic.nn.networks import build_network

COUNT, SIDE = 101, 20


def flat_images() -> torch.Tensor:
    """Image n is n everywhere."""
    return torch.arange(float(COUNT)).view(-1, 1, 1, 1).expand(-1, 3, SIDE, SIDE)


@pytest.mark.parametrize(
    "mixing",
    [Mixing(mixup=0.4, cutmix=0), Mixing(mixup=0, cutmix=1.0), Mixing(mixup=0.4, cutmix=1.0)],
)
def test_targets_are_mixed_as_the_pixels_are(mixing: Mixing) -> None:
    mix = draw_mix(COUNT, SIDE, SIDE, mixing, generator(0))
    assert mix is not None
    images = mix.images(flat_images())
    targets = mix.targets(torch.eye(COUNT))
    assert targets.sum(1) == pytest.approx(torch.ones(COUNT).numpy(), abs=1e-6)
    # The mean pixel of image n, whose partner is COUNT - 1 - n, follows from the target.
    expected = targets @ torch.arange(float(COUNT))
    assert images.mean(dim=(1, 2, 3)).numpy() == pytest.approx(expected.numpy(), abs=1e-3)
    assert ((mix.share >= 0) & (mix.share <= 1)).all()
    assert mix.share.std() > 0.1


def test_mixup_blends_every_pixel_and_cutmix_none() -> None:
    partner = flat_images().flip(0)[:, :, :1, :1]
    blended, cut = (
        mix.images(flat_images())
        for mix in (
            draw_mix(COUNT, SIDE, SIDE, mixing, generator(0))
            for mixing in (Mixing(mixup=1.0, cutmix=0), Mixing(mixup=0, cutmix=1.0))
        )
        if mix is not None
    )
    assert (blended == blended[:, :, :1, :1]).all()
    assert ((cut == flat_images()) | (cut == partner)).all()
    whole = ((cut == flat_images()).flatten(1).all(1) | (cut == partner).flatten(1).all(1)).float()
    assert whole.mean() < 0.2


def test_without_mixing_no_random_number_is_drawn() -> None:
    random = generator(0)
    before = random.get_state()
    assert draw_mix(8, SIDE, SIDE, Mixing(mixup=0, cutmix=0), random) is None
    assert torch.equal(random.get_state(), before)


def test_opposite_images_can_be_mixed_apart_from_the_rest() -> None:
    mix = draw_mix(COUNT, SIDE, SIDE, Mixing(mixup=0.4, cutmix=1.0), generator(0))
    assert mix is not None
    part = torch.tensor([3, 10, COUNT - 1 - 10, COUNT - 1 - 3])
    found = mix.of(part).images(flat_images()[part])
    assert torch.equal(found, mix.images(flat_images())[part])


def test_erasing_paints_over_as_many_images_as_asked_for() -> None:
    random = torch.rand(400, 3, SIDE, SIDE, generator=generator(1))
    amounts = [
        Augmentation(zoom=0.1, shift=0.05, colour=0.1, erasing=share) for share in (0.0, 0.4)
    ]
    whole, erased = (
        augment(random, draw_changes(400, SIDE, SIDE, amount, generator(2))) for amount in amounts
    )
    changed = (whole != erased).any(dim=1)
    share = changed.flatten(1).any(1).float().mean()
    assert 0.3 < share < 0.5
    assert 0.01 < changed.float().mean() < 0.4 / 3
    hit = changed.flatten(1).any(1).nonzero()[0]
    painted = erased[hit][changed[hit][:, None].expand(-1, 3, -1, -1)].view(3, -1)
    assert (painted == painted[:, :1]).all()


def test_training_learns_from_mixed_images_and_repeats_itself(
    training: LabelledImages,
    validation: LabelledImages,
    recipe: Recipe,
    schedule: Schedule,
    tmp_path: Path,
) -> None:
    recipe = recipe.model_copy(
        update={
            "imbalance": "class_weights",
            "label_smoothing": 0.05,
            "erasing": 0.3,
            "mixup": 0.2,
            "cutmix": 1.0,
        }
    )
    longer = schedule.model_copy(update={"epochs": 6, "schedule": "one_cycle", "lr": 0.01})
    histories = []
    for name in ("a", "b"):
        torch.manual_seed(0)
        trained = train(
            build_network("small", width=8),
            training,
            validation,
            channel_statistics(training.images),
            recipe,
            longer,
            alone(torch.device("cpu")),
            tmp_path / name,
        )
        histories.append(trained.history)
    assert histories[0] == histories[1]
    assert max(record["val_balanced_accuracy"] for record in histories[0]) > 0.3
