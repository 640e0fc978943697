"""Batch norm of responses: moments against maps, and both against nn.BatchNorm2d."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.autograd import forward_ad

from harmonic import HarmonicConv2d
from harmonic.nn.moments import normalised
from harmonic.nn.moments.centred import channel_means
from harmonic.nn.moments.covariance import patch_moments
from harmonic.nn.moments.patches import Axis


@st.composite
def axes(draw):
    axis = Axis(
        draw(st.integers(1, 40)),
        draw(st.integers(1, 5)),
        draw(st.integers(1, 3)),
        draw(st.integers(1, 3)),
        (draw(st.integers(0, 5)), draw(st.integers(0, 5))),
    )
    assume(axis.output >= 1)
    return axis


def unfolded_moments(images, rows, columns):
    """The definition: make all patches, take mean and covariance."""
    batch, channels = images.shape[:2]
    patches = F.unfold(
        F.pad(images, (*columns.padding, *rows.padding)),
        (rows.kernel, columns.kernel),
        dilation=(rows.dilation, columns.dilation),
        stride=(rows.stride, columns.stride),
    )
    samples = patches.view(batch, channels, rows.kernel * columns.kernel, -1)
    samples = samples.permute(1, 2, 0, 3).flatten(2)
    mean = samples.mean(dim=2)
    centred = samples - mean[..., None]
    return mean, centred @ centred.mT / samples.shape[2]


@settings(max_examples=120)
@given(rows=axes(), columns=axes(), seed=st.integers(0, 1000), offset=st.sampled_from([0, 1000]))
def test_moments_are_those_of_the_patches_with_their_gradients(rows, columns, seed, offset):
    torch.manual_seed(seed)
    images = torch.randn(2, 3, rows.size, columns.size, dtype=torch.float64)
    images += offset * torch.randn(3, 1, 1, dtype=torch.float64)
    images.requires_grad_()
    results = patch_moments(images, channel_means(images), rows, columns)
    expected = unfolded_moments(images, rows, columns)
    seeds = [torch.randn_like(one) for one in expected]
    (gradient,) = torch.autograd.grad(results, images, seeds)
    (expected_gradient,) = torch.autograd.grad(expected, images, seeds)
    for result, reference in zip((*results, gradient), (*expected, expected_gradient), strict=True):
        scale = max(1, reference.abs().max().item())
        assert (result - reference).abs().max() < 1e-10 * scale


def test_moments_pass_gradcheck():
    torch.manual_seed(0)
    images = torch.randn(2, 2, 5, 6, dtype=torch.float64, requires_grad=True)
    rows, columns = Axis(5, 3, 1, 1, (1, 1)), Axis(6, 2, 2, 1, (0, 1))
    assert torch.autograd.gradcheck(
        lambda x: patch_moments(x, channel_means(x), rows, columns), images
    )


@st.composite
def layers(draw):
    groups = draw(st.integers(1, 2))
    torch.manual_seed(draw(st.integers(0, 1000)))
    layer = HarmonicConv2d(
        2 * groups,
        3 * groups,
        draw(st.tuples(st.integers(1, 4), st.integers(1, 4))),
        stride=draw(st.integers(1, 2)),
        padding=draw(st.integers(0, 3)),
        dilation=draw(st.integers(1, 2)),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
        dtype=torch.float64,
        level=draw(st.one_of(st.none(), st.integers(1, 4))),
        norm=draw(st.sampled_from(["ortho", "l1", "none"])),
        batch_norm=True,
    )
    offset = draw(st.sampled_from([0, 20]))  # at 20 deviations the batch is centred first
    return layer, torch.randn(3, layer.in_channels, 9, 8, dtype=torch.float64) + offset


def step(layer, images, statistics):
    """Outputs, all gradients and new running statistics of one training step."""
    layer.statistics = statistics
    layer.zero_grad()
    layer.running_mean.zero_()
    layer.running_var.fill_(1)
    images = images.clone().requires_grad_()
    output = layer(images)
    torch.manual_seed(1)
    (output * torch.randn(output.shape, dtype=torch.float64)).sum().backward()
    gradients = [images.grad, *(one.grad.clone() for one in layer.parameters())]
    return [output, *gradients, layer.running_mean.clone(), layer.running_var.clone()]


@settings(max_examples=80)
@given(case=layers())
def test_moments_and_maps_give_the_same_step(case):
    layer, images = case
    for one, other in zip(step(layer, images, "moments"), step(layer, images, "maps"), strict=True):
        scale = max(1, other.abs().max().item())
        assert (one - other).abs().max() < 1e-10 * scale


@pytest.mark.parametrize("statistics", ["moments", "maps"])
@pytest.mark.parametrize("momentum", [0.1, None])
def test_running_statistics_are_batchnorm2ds(statistics, momentum):
    torch.manual_seed(0)
    layer = HarmonicConv2d(2, 4, 3, padding=1, batch_norm=True, dtype=torch.float64)
    layer.statistics, layer.momentum = statistics, momentum
    norm = nn.BatchNorm2d(18, affine=False, momentum=momentum, dtype=torch.float64)
    for _ in range(3):
        images = torch.randn(4, 2, 7, 7, dtype=torch.float64) + 3
        bank = layer.filter_bank.unsqueeze(1).repeat(2, 1, 1, 1)
        norm(F.conv2d(images, bank, padding=1, groups=2))
        layer(images)
    assert torch.allclose(layer.running_mean, norm.running_mean, atol=1e-12, rtol=0)
    assert torch.allclose(layer.running_var, norm.running_var, atol=1e-12, rtol=0)
    assert layer.num_batches_tracked == norm.num_batches_tracked == 3


@settings(max_examples=25)
@given(rows=axes(), columns=axes(), seed=st.integers(0, 1000))
def test_higher_derivatives_of_moments_are_those_of_the_patches(rows, columns, seed):
    torch.manual_seed(seed)
    images = torch.randn(2, 2, rows.size, columns.size, dtype=torch.float64, requires_grad=True)
    ways = [
        lambda: patch_moments(images, channel_means(images), rows, columns),
        lambda: unfolded_moments(images, rows, columns),
    ]
    seeds = [torch.randn_like(one).requires_grad_() for one in ways[1]()]
    direction = torch.randn_like(images)
    found = []
    for moments in ways:
        (first,) = torch.autograd.grad(moments(), images, seeds, create_graph=True)
        second = torch.autograd.grad(
            (first.pow(2) * direction).sum(), [images, *seeds], create_graph=True
        )
        third = torch.autograd.grad(sum(one.pow(2).sum() for one in second), [images, *seeds])
        found.append([*second, *third])
    for result, reference in zip(*found, strict=True):
        scale = max(1, reference.abs().max().item())
        assert (result - reference).abs().max() < 1e-10 * scale


def curvature_by_grad(loss, images, direction):
    (first,) = torch.autograd.grad(loss(images), images, create_graph=True)
    return torch.autograd.grad((first * direction).sum(), images)[0]


def curvature_by_an_engine_run(loss, images, direction):
    first = torch.autograd.grad(loss(images), images, create_graph=True)[0]
    images.grad = None
    (first * direction).sum().backward(inputs=[images])
    return images.grad


WAYS_TO_CURVATURE = {
    "grad": curvature_by_grad,
    "inputs": curvature_by_an_engine_run,
    "hvp": lambda *case: torch.autograd.functional.hvp(*case)[1],
    "vhp": lambda *case: torch.autograd.functional.vhp(*case)[1],
    "hessian": lambda loss, images, direction: torch.tensordot(
        torch.autograd.functional.hessian(loss, images), direction, dims=4
    ),
}


@pytest.fixture(
    params=[(3, 1, 8), (3, 1, 0), (2, "same", 0)],
    ids=["plain", "centred", "centred and padded on one side"],
)
def case(request, monkeypatch):
    """Kernel size and padding, with images that are centred before the convolution or are not."""
    *case, most = request.param
    monkeypatch.setattr(normalised, "MOST_DEVIATIONS", most)
    return case


@pytest.mark.parametrize("way", WAYS_TO_CURVATURE)
def test_second_derivatives_by_moments_are_those_by_maps(way, case):
    kernel_size, padding = case
    torch.manual_seed(0)
    layer = HarmonicConv2d(2, 4, kernel_size, padding=padding, groups=2, batch_norm=True).double()
    images = torch.randn(2, 2, 3, 4, dtype=torch.float64) + 1
    direction = torch.randn_like(images)
    found = {}
    for layer.statistics in ("moments", "maps"):
        found[layer.statistics] = WAYS_TO_CURVATURE[way](
            lambda images: layer(images).pow(3).sum(),
            images.clone().requires_grad_(),
            direction,
        )
    scale = found["maps"].abs().max()
    assert scale > 1
    assert (found["moments"] - found["maps"]).abs().max() < 1e-9 * scale


@pytest.mark.parametrize("learned_images", [True, False])
def test_a_gradient_penalty_trains_by_moments_as_by_maps(learned_images, case):
    """Through the weights too, and where the batch itself is a constant."""
    kernel_size, padding = case
    torch.manual_seed(0)
    layer = HarmonicConv2d(3, 4, kernel_size, padding=padding, batch_norm=True).double()
    images = torch.randn(2, 3, 6, 6, dtype=torch.float64) + 1
    images.requires_grad_(learned_images)
    inputs = [layer.weight, layer.bias, *([images] if learned_images else [])]
    found = {}
    for layer.statistics in ("moments", "maps"):
        first = torch.autograd.grad(layer(images).pow(3).sum(), inputs, create_graph=True)
        penalty = sum(one.square().sum() for one in first)
        found[layer.statistics] = torch.autograd.grad(penalty, inputs)
    for one, other in zip(found["moments"], found["maps"], strict=True):
        assert (one - other).abs().max() < 1e-9 * other.abs().max()


@pytest.mark.parametrize("autocast", [False, True])
def test_second_derivatives_are_near_the_exact_ones_in_fewer_bits(autocast, case):
    kernel_size, padding = case
    torch.manual_seed(0)
    layer = HarmonicConv2d(3, 4, kernel_size, padding=padding, batch_norm=True)
    layer.statistics = "moments"
    images = torch.randn(4, 3, 8, 8) + 1
    direction = torch.randn_like(images)

    def curvature(images, autocast):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            return curvature_by_grad(
                lambda images: layer(images).float().pow(3).sum(),
                images.clone().requires_grad_(),
                direction,
            )

    result = curvature(images, autocast)
    assert result.dtype == torch.float32
    layer.double()
    direction = direction.double()
    exact = curvature(images.double(), autocast=False)
    tolerance = 0.1 if autocast else 1e-4
    assert (result - exact).norm() < tolerance * exact.norm()


@pytest.mark.parametrize("transform", [torch.func.grad, torch.func.hessian])
def test_what_moments_cannot_be_is_said(transform):
    """torch.func, vmap and forward mode know no way through them: an error, and no number."""
    layer = HarmonicConv2d(2, 2, 3, batch_norm=True, dtype=torch.float64)
    layer.statistics = "moments"
    images = torch.randn(2, 2, 5, 5, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="setup_context"):
        transform(lambda images: layer(images).pow(3).sum())(images)
    with pytest.raises(RuntimeError, match="Batching rule"):
        torch.autograd.functional.jacobian(layer, images, vectorize=True)
    with forward_ad.dual_level(), pytest.raises(RuntimeError, match="forward mode AD"):
        layer(forward_ad.make_dual(images, images))


@pytest.mark.parametrize("padding", [0, 1])
def test_a_mean_a_thousand_deviations_away_costs_no_accuracy(padding):
    torch.manual_seed(0)
    images = torch.randn(8, 4, 20, 20) + 1000
    layer = HarmonicConv2d(4, 4, 3, padding=padding, batch_norm=True)
    exact = HarmonicConv2d(4, 4, 3, padding=padding, batch_norm=True).double()
    exact.weight.data.copy_(layer.weight)
    layer.statistics, exact.statistics = "moments", "maps"
    layer(images)
    exact(images.double())
    error = (layer.running_var - 0.9) / (exact.running_var - 0.9) - 1
    assert error.abs().max() < 1e-4


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("mean", [2, 7, 1000])
@pytest.mark.parametrize(("smooth", "tolerance"), [(False, 5e-5), (True, 4e-3)])
def test_a_mean_many_deviations_away_costs_the_gradients_no_accuracy(
    smooth, tolerance, mean, padding
):
    """Smooth images: variances of high frequencies are near the rounding of the low ones."""
    torch.manual_seed(0)
    images = torch.randn(8, 4, 20, 20)
    if smooth:
        images = F.interpolate(images[:, :, :5, :5], size=(20, 20), mode="bicubic")
    single = HarmonicConv2d(4, 4, 3, padding=padding, batch_norm=True)
    exact = copy.deepcopy(single).double()
    results = step(single, images + mean, "moments")
    references = step(exact, (images + mean).double(), "maps")
    for result, reference in zip(results, references, strict=True):
        assert (result - reference).abs().max() < tolerance * reference.abs().max()


@pytest.mark.parametrize("statistics", ["moments", "maps"])
def test_a_constant_channel_gives_finite_gradients(statistics):
    layer = HarmonicConv2d(1, 2, 3, batch_norm=True)
    layer.statistics = statistics
    images = torch.full((2, 1, 6, 6), 7.0, requires_grad=True)
    layer(images).sum().backward()
    assert images.grad.isfinite().all()
    assert layer.weight.grad.isfinite().all()


@pytest.mark.parametrize("statistics", ["moments", "maps"])
def test_a_single_value_per_channel_is_refused_as_batchnorm2d_does(statistics):
    layer = HarmonicConv2d(2, 2, 3, batch_norm=True)
    layer.statistics = statistics
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        layer(torch.randn(1, 2, 3, 3))


def test_an_unknown_way_is_refused_by_name():
    layer = HarmonicConv2d(2, 2, 3, batch_norm=True)
    layer.statistics = "fast"
    with pytest.raises(ValueError, match="statistics='fast'"):
        layer(torch.randn(2, 2, 5, 5))


@pytest.mark.parametrize("statistics", ["moments", "maps"])
def test_unbatched_images_are_a_batch_of_one(statistics):
    torch.manual_seed(0)
    layer = HarmonicConv2d(2, 2, 3, batch_norm=True)
    layer.statistics = statistics
    image = torch.randn(2, 6, 6)
    assert torch.allclose(layer(image), layer(image[None])[0])


def test_moments_hold_far_less_memory_for_backward_than_maps():
    layer = HarmonicConv2d(8, 8, 3, padding=1, batch_norm=True)
    images = torch.randn(4, 8, 32, 32, requires_grad=True)
    saved = {}
    for statistics in ("moments", "maps"):
        layer.statistics = statistics
        storages = {}
        with torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, kept=storages: (
                kept.update({tensor.untyped_storage().data_ptr(): tensor.numel()}) or tensor
            ),
            lambda tensor: tensor,
        ):
            layer(images)
        saved[statistics] = sum(storages.values())
    assert saved["moments"] < 1.1 * images.numel()
    assert saved["maps"] > 9 * images.numel()
