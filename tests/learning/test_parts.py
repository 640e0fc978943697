"""The parts of training, each against what it promises."""

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.learning.augment import augment, sampling_grid
from harmonic.learning.batches import (
    as_images,
    batches,
    channel_statistics,
    normaliser,
    predict_logits,
    views,
)
from harmonic.learning.device import choose_device, forward_precision
from harmonic.learning.draws import Draws, draw
from harmonic.learning.lr_range import sweep_rates
from harmonic.learning.objective import make_optimizer
from harmonic.learning.randomness import derived_seed, generator
from harmonic.learning.settings import Recipe
from harmonic.learning.training_set import on_device
from harmonic.model_file.description import UNSEALED, Description, sealed
from harmonic.model_file.safetensors_file import described_network, load_model, save_model
from harmonic.nn.conv import HarmonicConv2d
from harmonic.nn.networks import build_network
from tests.learning.conftest import RECIPE, coloured

NOTHING = {"zoom": 0.0, "shift": 0.0, "colour": 0.0}


def drawn(images: Tensor, random: torch.Generator, **changed: Any) -> Draws:
    """What is drawn for all images as one batch."""
    recipe = RECIPE.model_copy(update=changed)
    return draw([torch.arange(len(images))], *images.shape[2:], recipe, random)


def changed_at_random(images: Tensor, random: torch.Generator, **changed: Any) -> Tensor:
    return augment(images, drawn(images, random, **changed))


def test_augmentation_of_nothing_is_a_rotation_or_reflection() -> None:
    """Without zoom, shift and colour a disc stays a disc, whatever the angle."""
    axis = torch.linspace(-1, 1, 33)
    disc = ((axis[:, None] ** 2 + axis[None] ** 2) < 0.5).float().expand(8, 3, 33, 33)
    changed = changed_at_random(disc, generator(0), **NOTHING)
    assert changed.shape == disc.shape
    # At most the rim changes, by less than a pixel.
    assert (changed - disc).abs().mean() < 0.03


def test_crops_stay_inside_and_keep_what_is_even() -> None:
    def cropped(images: Tensor) -> Tensor:
        return changed_at_random(images, generator(0), moves="crops", **NOTHING)

    even = torch.full((16, 3, 32, 32), 0.5)
    assert torch.allclose(cropped(even), even)
    crops = cropped(torch.linspace(0, 1, 32).expand(200, 3, 32, 32))[:, 0]
    spread = crops.amax((1, 2)) - crops.amin((1, 2))
    assert spread.min() > 0.5  # a crop of 0.4 of the area at 3/4 is 0.55 wide
    assert spread.max() > 0.9
    rising = (crops[:, :, -1] > crops[:, :, 0]).float().mean()
    assert 0.3 < rising < 0.7  # half of them are flipped


def test_without_moves_images_stay_as_they_are() -> None:
    images = torch.rand(4, 3, 32, 32, generator=generator(1))
    kept = changed_at_random(images, generator(0), moves="none", zoom=0.3, shift=0.1, colour=0.0)
    torch.testing.assert_close(kept, images, atol=1e-5, rtol=0)


def test_the_sampling_grid_is_pytorchs() -> None:
    matrices = drawn(torch.empty(5, 3, 20, 31), generator(0), zoom=0.2, shift=0.1).matrices
    expected = functional.affine_grid(matrices, [5, 3, 20, 31], align_corners=False)
    torch.testing.assert_close(sampling_grid(matrices, 20, 31), expected)


def test_augmentation_changes_every_image_in_its_own_way_and_repeats_itself() -> None:
    image = torch.rand(1, 3, 32, 32, generator=generator(1)).expand(4, 3, 32, 32)
    amounts = {"zoom": 0.1, "shift": 0.1, "colour": 0.1}
    first, second = (changed_at_random(image, generator(2), **amounts) for _ in range(2))
    assert torch.equal(first, second)
    for one in range(4):
        for other in range(one):
            assert not torch.allclose(first[one], first[other], atol=0.05)


def test_colour_is_changed_by_no_more_than_the_amount() -> None:
    grey = torch.full((64, 3, 8, 8), 0.5)
    changed = changed_at_random(grey, generator(3), zoom=0.0, shift=0.0, colour=0.2)
    assert changed.min() >= 0.5 * 0.8 - 1e-5
    assert changed.max() <= 0.5 * 1.2 + 1e-5
    assert changed.std() > 0.01


def test_there_are_eight_different_views() -> None:
    image = torch.rand(1, 3, 8, 8, generator=generator(0))
    found = views(image, 8)
    assert torch.equal(found[0], image)
    assert len({tuple(view.flatten().tolist()) for view in found}) == 8
    assert len(views(image, 1)) == 1


def test_channel_statistics_are_mean_and_deviation() -> None:
    images = np.random.default_rng(0).integers(0, 256, size=(5, 6, 7, 3), dtype=np.uint8)
    found = channel_statistics(images)
    assert found.mean == pytest.approx((images / 255).mean(axis=(0, 1, 2)), abs=1e-6)
    assert found.std == pytest.approx((images / 255).std(axis=(0, 1, 2)), abs=1e-6)
    normalise = normaliser(nn.Identity(), found, torch.device("cpu"))
    batch = normalise(as_images(torch.from_numpy(images)))
    assert batch.mean(dim=(0, 2, 3)).abs().max() < 1e-4
    assert (batch.std(dim=(0, 2, 3)) - 1).abs().max() < 0.01


@given(count=st.integers(2, 200), size=st.integers(2, 50))
def test_batches_hold_every_row_once_but_a_last_single_one(count: int, size: int) -> None:
    rows = torch.cat(list(batches(count, size, generator(0)))).tolist()
    assert len(rows) == count - (count % size == 1)
    assert len(set(rows)) == len(rows)
    assert all(0 <= row < count for row in rows)


def test_resampled_classes_come_equally_often(recipe: Recipe) -> None:
    counts = np.repeat([0, 1, 2], [900, 90, 10])
    images = replace(coloured(1000, 0, "train"), labels=counts)
    recipe = recipe.model_copy(update={"imbalance": "resampling"})
    data = on_device(images, recipe, torch.device("cpu"))
    rows = torch.cat([draws.rows for draws in data.epoch(generator(0))])
    assert len(rows) == 1000
    assert np.bincount(counts[rows]) / 1000 == pytest.approx(1 / 3, abs=0.05)


def test_weight_decay_spares_biases_and_batch_norm_unless_told(recipe: Recipe) -> None:
    model = build_network("small", width=8)
    decayed, spared = make_optimizer(model, recipe).param_groups
    assert {parameter.ndim for parameter in spared["params"]} == {1}
    assert min(parameter.ndim for parameter in decayed["params"]) > 1
    assert (decayed["weight_decay"], spared["weight_decay"]) == (1e-4, 0.0)
    everything = make_optimizer(model, recipe.model_copy(update={"decay_all": True})).param_groups
    assert {group["weight_decay"] for group in everything} == {1e-4}
    listed = len(decayed["params"]) + len(spared["params"])
    assert listed == len(list(model.parameters()))


def test_derived_seeds_differ_by_path_and_fit_torch() -> None:
    seeds = {derived_seed(first, second) for first in range(30) for second in range(30)}
    assert len(seeds) == 900
    assert max(seeds) < 2**63


def test_an_absent_gpu_is_named() -> None:
    with pytest.raises(InputError, match="device is cuda:99; this machine has"):
        choose_device("cuda:99")


@pytest.mark.parametrize(
    ("precision", "expected"),
    [("auto", torch.float32), ("float32", torch.float32), ("bfloat16", torch.bfloat16)],
)
def test_the_forward_pass_on_a_cpu_has_the_precision_asked_for(
    precision: str, expected: torch.dtype
) -> None:
    layer = HarmonicConv2d(3, 4, 3)
    images = torch.rand(2, 3, 8, 8, generator=generator(0))
    with forward_precision(precision, torch.device("cpu")):
        found = layer(images)
    assert found.dtype == expected
    # The kernel is summed in float32 and rounded once, whatever the convolution computes in.
    kernel, bias = layer.equivalent_kernel()
    assert bias is not None
    rounded = (part.to(expected) for part in (images, kernel, bias))
    assert torch.equal(found, functional.conv2d(*rounded))


def test_the_range_test_finds_a_rate_and_stops_where_it_diverges(
    training: LabelledImages, recipe: Recipe
) -> None:
    torch.manual_seed(0)
    sweep = sweep_rates(
        build_network("small", width=8),
        training,
        channel_statistics(training.images),
        recipe.model_copy(update={"optimizer": "sgd", "clip": 1000.0}),
        torch.device("cpu"),
        lowest=1e-4,
        highest=10.0,
        steps=60,
    )
    assert len(sweep.lr) == len(sweep.loss) == len(sweep.smoothed_loss)
    assert sweep.lr[0] == pytest.approx(1e-4)
    assert (np.diff(sweep.lr) > 0).all()
    assert sweep.lr[0] < sweep.suggested_lr() * 10 <= sweep.lr[-1]
    assert sweep.lr[0] <= sweep.steepest_lr() <= sweep.lr[-1]
    assert sweep.smoothed_loss.min() < sweep.smoothed_loss[0]


def description() -> Description:
    return Description(
        network="small",
        conv="harmonic",
        options={"width": 8, "level": 3},
        classes=list(CLASSES),
        class_counts=[3] * 7,
        imbalance="logit_adjustment",
        image_size=28,
        aspect="squash",
        hair_method="none",
        mean=(0.5, 0.4, 0.3),
        std=(0.1, 0.1, 0.1),
    )


def test_a_model_file_holds_all_that_is_needed(tmp_path: Path, training: LabelledImages) -> None:
    model = described_network(description())
    for name in ("one", "other"):
        save_model(tmp_path / name, model.state_dict(), description())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()
    loaded, found = load_model(tmp_path / "one")
    assert found.record() == description().record()
    arguments = (training.images, found.statistics(), torch.device("cpu"))
    assert np.array_equal(
        predict_logits(model, *arguments, view_count=8),
        predict_logits(loaded, *arguments, view_count=8),
    )


def with_description(path: Path, **changes: object) -> Path:
    """A model file whose description was tampered with."""
    model = described_network(description())
    save_model(path, model.state_dict(), description())
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    record = json.loads(header["__metadata__"]["harmonic"]) | {"sha256": UNSEALED} | changes
    header["__metadata__"]["harmonic"] = json.dumps(record)
    text = json.dumps(header).encode()
    path.write_bytes(sealed(struct.pack("<Q", len(text)) + text + content[8 + length :]))
    return path


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": "os.system"}, "os.system"),
        ({"options": {"width": 16, "level": 3}}, "size mismatch"),
        ({"options": {"widht": 8}}, "widht"),
        ({"image_size": 10**6}, "image_size"),
        ({"classes": ["cat", "dog"]}, "classes are"),
        ({"std": [0.1, 0.1]}, "std"),
        ({"extra": 1}, "extra"),
        ({"imbalance": "magic"}, "imbalance"),
    ],
)
def test_an_odd_description_is_refused_with_one_line(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        load_model(with_description(tmp_path / "model", **changes))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no model", b"\xff" * 100, b"\x08" + b"\0" * 7 + b"{}"])
def test_a_file_that_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model").write_bytes(content)
    with pytest.raises(InputError, match="model "):
        load_model(tmp_path / "model")


def test_a_cut_model_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model"
    save_model(path, described_network(description()).state_dict(), description())
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="no whole safetensors file"):
        load_model(path)


def test_weights_of_another_type_are_not_cast_in_silence(tmp_path: Path) -> None:
    state = described_network(description()).state_dict()
    path = tmp_path / "model"
    save_model(path, {name: value.double() for name, value in state.items()}, description())
    with pytest.raises(InputError, match=r"float64; torch\.(float32|int64) is needed"):
        load_model(path)
