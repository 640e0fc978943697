"""Mixup, CutMix and random erasing: what is taken over is what the target says."""

from pathlib import Path
from typing import Any

import pytest
import torch

from harmonic.data.arrays import LabelledImages
from harmonic.learning.augment import augment, mixed_targets
from harmonic.learning.batches import channel_statistics
from harmonic.learning.draws import Draws, draw
from harmonic.learning.loop import train
from harmonic.learning.processes import alone
from harmonic.learning.randomness import generator
from harmonic.learning.settings import Recipe, Schedule
from harmonic.nn.networks import build_network
from tests.learning.conftest import RECIPE

COUNT, SIDE = 101, 20
STILL = {"moves": "none", "colour": 0.0}


def flat_images() -> torch.Tensor:
    """Image n is n everywhere."""
    return torch.arange(float(COUNT)).view(-1, 1, 1, 1).expand(-1, 3, SIDE, SIDE)


def drawn(count: int, random: torch.Generator, **changed: Any) -> Draws:
    recipe = RECIPE.model_copy(update=STILL | changed)
    return draw([torch.arange(count)], SIDE, SIDE, recipe, random)


@pytest.mark.parametrize(
    "mixing",
    [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}],
)
def test_targets_are_mixed_as_the_pixels_are(mixing: dict[str, float]) -> None:
    draws = drawn(COUNT, generator(0), **mixing)
    images = augment(flat_images(), draws)
    targets = mixed_targets(torch.eye(COUNT), draws)
    assert targets.sum(1) == pytest.approx(torch.ones(COUNT).numpy(), abs=1e-6)
    # The mean pixel of image n, whose partner is COUNT - 1 - n, follows from the target.
    expected = targets @ torch.arange(float(COUNT))
    assert images.mean(dim=(1, 2, 3)).numpy() == pytest.approx(expected.numpy(), abs=1e-3)
    assert draws.partners is not None
    assert ((draws.partners >= 0) & (draws.partners <= 1)).all()
    assert draws.partners.std() > 0.1


def test_mixup_blends_every_pixel_and_cutmix_none() -> None:
    images = flat_images()
    partner = images.flip(0)[:, :, :1, :1]
    blended, cut = (
        augment(images, drawn(COUNT, generator(0), **mixing)).round(decimals=3)
        for mixing in ({"mixup": 1.0}, {"cutmix": 1.0})
    )
    assert (blended == blended[:, :, :1, :1]).all()
    assert ((cut == images) | (cut == partner)).all()
    whole = ((cut == images).flatten(1).all(1) | (cut == partner).flatten(1).all(1)).float()
    assert whole.mean() < 0.2


def test_what_is_off_draws_no_random_number() -> None:
    """Mixing of this batch or not, the next number is the same as that of augmentation alone."""
    after = []
    for changed in ({}, {"mixup": 0.0, "cutmix": 0.0, "erasing": 0.0}):
        random = generator(0)
        draws = drawn(8, random, **changed)
        assert draws.erased is draws.boxes is draws.blended is draws.partners is None
        after.append(torch.rand(1, generator=random))
    drawn_more = generator(0)
    torch.rand(3 * 8, generator=drawn_more)
    assert after[0] == after[1] == torch.rand(1, generator=drawn_more)


def test_a_batch_is_drawn_alike_whatever_follows_it() -> None:
    """An epoch is drawn at once; its first batch must not depend on how many come after it."""
    recipe = RECIPE.model_copy(update={"erasing": 0.3, "mixup": 0.4, "cutmix": 1.0})
    rows = [torch.arange(16), torch.arange(16, 32), torch.arange(32, 37)]
    whole = draw(rows, SIDE, SIDE, recipe, generator(0)).split(16)
    random = generator(0)
    for batch, of_it in zip(whole, rows, strict=True):
        expected = draw([of_it], SIDE, SIDE, recipe, random)
        for name, one in vars(batch).items():
            torch.testing.assert_close(one, getattr(expected, name), msg=name)


def test_opposite_images_can_be_mixed_apart_from_the_rest() -> None:
    draws = drawn(COUNT, generator(0), mixup=0.4, cutmix=1.0)
    part = torch.tensor([3, 10, COUNT - 1 - 10, COUNT - 1 - 3])
    found = augment(flat_images()[part], draws.each(lambda one: one[part]))
    assert torch.equal(found, augment(flat_images(), draws)[part])


def test_erasing_paints_over_as_many_images_as_asked_for() -> None:
    random = torch.rand(400, 3, SIDE, SIDE, generator=generator(1))
    whole, erased = (
        augment(random, drawn(400, generator(2), moves="rotations", colour=0.1, erasing=share))
        for share in (0.0, 0.4)
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
