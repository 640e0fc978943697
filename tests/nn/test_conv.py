"""HarmonicConv2d against nn.Conv2d, over a generated grid of arguments."""

import copy

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn

from harmonic import HarmonicConv2d, filter_bank, fold, harmonize


@st.composite
def convolutions(draw):
    """A float64 nn.Conv2d larger than 1 × 1 and an input it accepts."""
    groups = draw(st.integers(1, 3))
    kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    assume(kernel != (1, 1))
    padding = draw(
        st.one_of(
            st.sampled_from(["same", "valid"]), st.tuples(st.integers(0, 3), st.integers(0, 3))
        )
    )
    small = st.tuples(st.integers(1, 3), st.integers(1, 3))
    size = draw(st.tuples(st.integers(13, 17), st.integers(13, 17)))
    torch.manual_seed(draw(st.integers(0, 1000)))
    conv = nn.Conv2d(
        groups * draw(st.integers(1, 3)),
        groups * draw(st.integers(1, 3)),
        kernel,
        stride=1 if padding == "same" else draw(small),
        padding=padding,
        dilation=draw(small),
        groups=groups,
        bias=draw(st.booleans()),
        padding_mode=draw(st.sampled_from(["zeros", "reflect", "replicate", "circular"])),
        dtype=torch.float64,
    )
    batch = draw(st.sampled_from([(), (1,), (2,)]))
    return conv, torch.randn(*batch, conv.in_channels, *size, dtype=torch.float64)


@settings(max_examples=150)
@given(case=convolutions(), norm=st.sampled_from(["ortho", "l1", "none"]))
def test_the_harmonized_layer_is_the_convolution(case, norm):
    conv, images = case
    layer = harmonize(conv, norm=norm)
    assert isinstance(layer, HarmonicConv2d)
    inputs = [images.clone().requires_grad_() for _ in range(2)]
    expected, output = conv(inputs[0]), layer(inputs[1])
    assert output.shape == expected.shape
    assert (output - expected).abs().max() < 1e-10
    seed = torch.randn_like(expected)
    (expected * seed).sum().backward()
    (output * seed).sum().backward()
    assert (inputs[0].grad - inputs[1].grad).abs().max() < 1e-10
    bank = filter_bank(conv.kernel_size, norm=norm).flatten(1)
    on_filters = conv.weight.grad.flatten(2) @ bank.T
    assert (on_filters - layer.weight.grad).abs().max() < 1e-10
    if conv.bias is not None:
        assert (conv.bias.grad - layer.bias.grad).abs().max() < 1e-10
    folded = fold(layer)
    assert type(folded) is nn.Conv2d
    assert (folded.weight - conv.weight).abs().max() < 1e-12
    for name in ("stride", "padding", "dilation", "groups", "padding_mode", "kernel_size"):
        assert getattr(folded, name) == getattr(conv, name)


@settings(max_examples=60)
@given(case=convolutions(), level=st.integers(1, 9))
def test_a_folded_layer_with_batch_norm_is_the_layer_in_eval_mode(case, level):
    conv, images = case
    layer = harmonize(conv, level=level, batch_norm="all")
    with torch.no_grad():
        layer.running_mean.normal_()
        layer.running_var.uniform_(0.5, 2)
    layer.eval()
    folded = fold(layer)
    assert (folded(images) - layer(images)).abs().max() < 1e-10
    assert (folded(images) - reference_in_eval_mode(layer, images)).abs().max() < 1e-10


def reference_in_eval_mode(layer, images):
    """Depthwise convolution with the bank, nn.BatchNorm2d, 1 × 1 convolution: three modules."""
    channels, filters = layer.in_channels, len(layer.filter_bank)
    transform = nn.Conv2d(
        channels,
        channels * filters,
        layer.kernel_size,
        layer.stride,
        layer.padding,
        layer.dilation,
        channels,
        bias=False,
        padding_mode=layer.padding_mode,
    ).double()
    norm = nn.BatchNorm2d(channels * filters, affine=False).double().eval()
    combine = nn.Conv2d(
        channels * filters, layer.out_channels, 1, groups=layer.groups, bias=layer.bias is not None
    ).double()
    with torch.no_grad():
        transform.weight.copy_(layer.filter_bank.unsqueeze(1).repeat(channels, 1, 1, 1))
        norm.running_mean.copy_(layer.running_mean)
        norm.running_var.copy_(layer.running_var)
        combine.weight.copy_(layer.weight.flatten(1)[:, :, None, None])
        if layer.bias is not None:
            combine.bias.copy_(layer.bias)
    batch = images if images.dim() == 4 else images.unsqueeze(0)
    output = combine(norm(transform(batch)))
    return output if images.dim() == 4 else output.squeeze(0)


@pytest.mark.parametrize("norm", ["ortho", "l1", "none"])
@pytest.mark.parametrize("level", [None, 1, 2, 3])
@pytest.mark.parametrize("basis", [None, 2, 8])
def test_fresh_kernels_have_the_energy_of_conv2d(norm, level, basis):
    torch.manual_seed(0)
    layer = HarmonicConv2d(64, 256, 3, norm=norm, level=level, basis_size=basis)
    conv = nn.Conv2d(64, 256, 3)
    kernel, _ = layer.equivalent_kernel()
    assert kernel.square().sum().item() == pytest.approx(
        conv.weight.square().sum().item(), rel=0.03
    )


@pytest.mark.parametrize("level", [None, 2])
@pytest.mark.parametrize("norm", ["ortho", "l1"])
def test_fresh_layers_with_batch_norm_have_conv2ds_output_variance(norm, level):
    torch.manual_seed(0)
    images = torch.randn(16, 32, 16, 16)
    layer = HarmonicConv2d(32, 128, 3, bias=False, norm=norm, level=level, batch_norm=True)
    conv = nn.Conv2d(32, 128, 3, bias=False)
    # tolerance: eps adds to the small variances of l1 filters
    assert layer(images).var().item() == pytest.approx(conv(images).var().item(), rel=0.05)


@pytest.mark.parametrize("norm", ["ortho", "l1", "none"])
def test_the_same_seed_draws_conv2ds_kernels(norm):
    torch.manual_seed(3)
    conv = nn.Conv2d(4, 6, 3, groups=2)
    torch.manual_seed(3)
    layer = HarmonicConv2d(4, 6, 3, groups=2, norm=norm)
    kernel, bias = layer.equivalent_kernel()
    assert torch.allclose(kernel, conv.weight, atol=1e-6)
    assert torch.equal(bias, conv.bias)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"level": 0}, ValueError, ["level=0"]),
        ({"norm": "l3"}, ValueError, ["norm='l3'"]),
        ({"kernel_size": 3.0}, TypeError, ["kernel_size=3.0"]),
        ({"groups": 3}, ValueError, ["in_channels=4", "groups=3"]),
        ({"groups": 4}, ValueError, ["out_channels=6", "groups=4"]),
        ({"groups": 0}, ValueError, ["groups=0"]),
        ({"in_channels": 0}, ValueError, ["in_channels=0"]),
        ({"out_channels": 2.5}, TypeError, ["out_channels=2.5"]),
        ({"stride": 0}, ValueError, ["stride=0"]),
        ({"dilation": (1, 0)}, ValueError, ["dilation=(1, 0)"]),
        ({"padding": -1}, ValueError, ["padding=-1"]),
        ({"padding": "full"}, ValueError, ["padding='full'", "same"]),
        ({"padding": "same", "stride": 2}, ValueError, ["padding='same'", "stride=2"]),
        ({"padding_mode": "mirror"}, ValueError, ["padding_mode='mirror'", "reflect"]),
        ({"transform": "fourier"}, ValueError, ["transform='fourier'"]),
        ({"basis_size": 1.5}, TypeError, ["basis_size=1.5"]),
        ({"batch_norm": "first"}, TypeError, ["batch_norm='first'"]),
        ({"dc": 0}, TypeError, ["dc=0"]),
    ],
)
def test_wrong_arguments_are_named_with_their_value(arguments, error, words):
    given = {"in_channels": 4, "out_channels": 6, "kernel_size": 3, **arguments}
    with pytest.raises(error) as caught:
        HarmonicConv2d(**given)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("shape", [(2, 5, 8, 8), (4,), (2, 4, 2, 2)])
@pytest.mark.parametrize("batch_norm", [False, True])
def test_wrong_inputs_raise_what_conv2d_raises(shape, batch_norm):
    images = torch.randn(shape)
    with pytest.raises(RuntimeError):
        nn.Conv2d(4, 6, 3)(images)
    with pytest.raises(RuntimeError):
        HarmonicConv2d(4, 6, 3, batch_norm=batch_norm)(images)


@pytest.mark.parametrize("statistics", ["moments", "maps"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.uint8, torch.complex64])
def test_a_refused_input_leaves_the_running_statistics_alone(dtype, statistics):
    layer = HarmonicConv2d(4, 6, 3, batch_norm=True)
    layer.statistics = statistics
    before = copy.deepcopy(layer.state_dict())
    images = torch.ones(2, 4, 8, 8, dtype=dtype)
    with pytest.raises(RuntimeError) as expected:
        nn.Conv2d(4, 6, 3)(images)
    with pytest.raises(RuntimeError) as caught:
        layer(images)
    assert str(caught.value) == str(expected.value)
    with pytest.raises(ValueError, match="more than 1 value"):
        layer(torch.ones(1, 4, 3, 3))
    for name, tensor in layer.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("statistics", ["moments", "maps"])
@pytest.mark.parametrize("training", [True, False])
def test_stride_padding_and_dilation_may_be_changed_afterwards_as_conv2ds(training, statistics):
    """As is done to turn a classifier into a segmenter."""
    changed, made = (
        HarmonicConv2d(4, 6, 3, padding=1, batch_norm=True),
        HarmonicConv2d(4, 6, 3, 2, 3, 2, batch_norm=True, padding_mode="reflect"),
    )
    made.load_state_dict(changed.state_dict())
    changed.stride, changed.padding, changed.dilation = made.stride, made.padding, made.dilation
    changed.padding_mode = "reflect"
    images = torch.randn(2, 4, 9, 9)
    outputs = []
    for layer in (changed, made):
        layer.statistics = statistics
        outputs.append(layer.train(training)(images))
    assert torch.equal(*outputs)


def test_the_printed_form_names_what_differs_from_the_defaults():
    text = repr(HarmonicConv2d(3, 8, 3, padding=1, level=2, norm="l1", bias=False))
    assert text == (
        "HarmonicConv2d(3, 8, kernel_size=(3, 3), padding=(1, 1), level=2, norm='l1', bias=False)"
    )


def test_a_copy_is_independent():
    layer = HarmonicConv2d(3, 8, 3)
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.weight.zero_()
    assert layer.weight.abs().max() > 0
    assert torch.equal(twin.filter_bank, layer.filter_bank)
