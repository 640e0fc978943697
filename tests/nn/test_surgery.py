"""harmonize, fold and truncate on module trees."""

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from harmonic import HarmonicConv2d, build_network, fold, harmonize, truncate


class Branches(nn.Module):
    """Two names for one convolution, a 1 × 1, a subclass, a missing child and a list."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Conv2d(4, 4, 3, padding=1, groups=2)
        self.again = self.shared
        self.pointwise = nn.Conv2d(4, 4, 1)
        self.absent = None
        self.layers = nn.ModuleList(
            [
                nn.Sequential(nn.Conv2d(4, 6, (3, 2), stride=2, padding_mode="reflect", padding=1)),
                nn.Conv2d(6, 4, 3, dilation=2, padding="same", bias=False),
            ]
        )

    def forward(self, images):
        hidden = self.pointwise(self.again(torch.relu(self.shared(images))))
        for layer in self.layers:
            hidden = layer(torch.relu(hidden))
        return hidden


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Branches()


def harmonic_layers(model):
    return [one for one in model.modules() if isinstance(one, HarmonicConv2d)]


@pytest.mark.parametrize("norm", ["ortho", "l1", "none"])
def test_a_harmonized_model_with_fresh_batch_norm_computes_the_same_too(model, norm):
    images = torch.randn(2, 4, 12, 11, dtype=torch.float64)
    model = model.double().eval()
    normalising = harmonize(model, norm=norm, batch_norm="all")
    torch.testing.assert_close(normalising(images), model(images), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("norm", ["ortho", "l1", "none"])
def test_a_harmonized_model_computes_the_same_and_folds_back(model, norm):
    images = torch.randn(2, 4, 12, 11, dtype=torch.float64)
    model = model.double()
    harmonized = harmonize(model, norm=norm)
    assert len(harmonic_layers(harmonized)) == 3
    assert harmonized.shared is harmonized.again
    assert type(harmonized.pointwise) is nn.Conv2d
    assert (harmonized(images) - model(images)).abs().max() < 1e-10
    folded = fold(harmonized)
    assert not harmonic_layers(folded)
    assert folded.shared is folded.again
    weights, originals = folded.state_dict(), model.state_dict()
    assert weights.keys() == originals.keys()
    for name, weight in weights.items():
        assert (weight - originals[name]).abs().max() < 1e-12


def test_the_model_given_is_left_as_it_was(model):
    before = copy.deepcopy(model.state_dict())
    harmonized = harmonize(model, batch_norm="all")
    harmonized(torch.randn(2, 4, 12, 12)).sum().backward()
    truncated = truncate(harmonized, 2)
    fold(truncated)
    with torch.no_grad():
        for parameter in truncated.parameters():
            parameter.zero_()
    assert not harmonic_layers(model)
    assert all(one.grad is None for one in model.parameters())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert {one.level for one in harmonic_layers(harmonized)} == {None}
    assert all(one.weight.abs().max() > 0 for one in harmonic_layers(harmonized))


def test_batch_norm_first_is_the_papers_recipe(model):
    layers = harmonic_layers(harmonize(model, level=2, batch_norm="first"))
    assert [one.batch_norm for one in layers] == [True, False, False]
    assert [one.level for one in layers] == [None, 2, 2]
    layers = harmonic_layers(harmonize(model, level=2, batch_norm="all"))
    assert [one.batch_norm for one in layers] == [True, True, True]
    assert [one.level for one in layers] == [2, 2, 2]


def test_dtype_flags_and_hooks_survive():
    conv = nn.Conv2d(2, 3, 3, dtype=torch.float64)
    conv.weight.requires_grad_(False)
    model = nn.Sequential(conv, nn.ReLU()).train()
    conv.eval()
    calls = []
    conv.register_forward_hook(lambda *_: calls.append("forward"))
    conv.register_forward_pre_hook(lambda module, args, kwargs: None, with_kwargs=True)
    conv.register_full_backward_hook(lambda *_: calls.append("backward"))
    model.register_forward_hook(lambda *_: calls.append("model"))
    for changed in (harmonize(model), fold(harmonize(model)), truncate(harmonize(model), 2)):
        calls.clear()
        changed(torch.randn(1, 2, 5, 5, dtype=torch.float64)).sum().backward()
        assert calls == ["forward", "model", "backward"]
        assert changed.training
        assert not changed[0].training
        assert changed[0].weight.dtype == torch.float64
        assert not changed[0].weight.requires_grad
        assert changed[0].bias.requires_grad


def test_a_bare_convolution_and_a_model_without_any_are_models_too():
    assert isinstance(harmonize(nn.Conv2d(1, 1, 3)), HarmonicConv2d)
    assert type(harmonize(nn.Conv2d(1, 1, 1))) is nn.Conv2d
    assert type(fold(nn.Linear(2, 2))) is nn.Linear


def test_subclasses_of_conv2d_are_left_alone():
    class Standardised(nn.Conv2d):
        pass

    assert type(harmonize(nn.Sequential(Standardised(1, 1, 3)))[0]) is Standardised


@pytest.mark.parametrize(
    "normalise",
    [
        nn.utils.spectral_norm,
        nn.utils.weight_norm,
        lambda conv: prune.l1_unstructured(conv, "weight", 0.5),
        nn.utils.parametrizations.spectral_norm,
        nn.utils.parametrizations.weight_norm,
    ],
)
def test_reparametrised_convolutions_are_left_alone(normalise):
    model = nn.Sequential(normalise(nn.Conv2d(2, 3, 3))).eval()
    images = torch.randn(1, 2, 5, 5)
    expected = model(images)  # also leaves computed weights behind
    model(images).sum().backward()
    for changed in (harmonize(model), fold(model), truncate(model, 2)):
        assert torch.equal(changed(images), expected)


def test_attributes_of_its_own_and_modules_outside_the_tree_stay_behind():
    model = nn.Sequential(nn.Conv2d(2, 2, 3))
    model[0].register_buffer("mask", torch.ones(2))
    model.listed = [nn.Conv2d(2, 2, 3)]
    harmonized = harmonize(model)
    assert not hasattr(harmonized[0], "mask")
    assert type(harmonized.listed[0]) is nn.Conv2d


def test_complex_convolutions_are_left_alone():
    assert type(harmonize(nn.Conv2d(1, 1, 3, dtype=torch.complex64))) is nn.Conv2d
    with pytest.raises(TypeError, match=r"dtype=torch\.complex64"):
        HarmonicConv2d(1, 1, 3, dtype=torch.complex64)


def test_subclasses_and_parametrised_harmonic_layers_are_left_alone():
    class Scaled(HarmonicConv2d):
        def forward(self, input):
            return 2 * super().forward(input)

    normalised = nn.utils.parametrizations.weight_norm(HarmonicConv2d(2, 2, 3))
    model = nn.Sequential(Scaled(2, 2, 3), normalised)
    images = torch.randn(1, 2, 8, 8)
    for changed in (fold(model), truncate(model, 2)):
        assert torch.equal(changed(images), model(images))
        assert [type(one) for one in changed] == [type(one) for one in model]


@pytest.mark.parametrize("batch_norm", ["none", "all"])
def test_shared_weights_stay_shared(batch_norm):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 2, 3), nn.Conv2d(2, 2, 3, stride=2, dilation=2))
    model[1].weight = model[0].weight
    harmonized = harmonize(model, batch_norm=batch_norm)
    truncated = truncate(harmonized, 2)
    for changed in (harmonized, truncated):
        assert changed[0].weight is changed[1].weight
    if batch_norm == "none":
        folded = fold(truncated)
        assert folded[0].weight is folded[1].weight
        images = torch.randn(1, 2, 12, 12)
        assert torch.allclose(folded(images), truncated(images), atol=1e-6)


def test_surgery_draws_no_random_numbers(model):
    before = torch.get_rng_state()
    harmonized = harmonize(model, batch_norm="first")
    fold(truncate(harmonized, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert [one.num_batches_tracked for one in harmonic_layers(harmonized)[:1]] == [0]


@pytest.mark.parametrize("norm", ["ortho", "l1", "none"])
def test_batch_norm_starts_with_the_convolutions_kernels_and_output_variance(norm):
    torch.manual_seed(0)
    conv = nn.Conv2d(16, 64, 3, bias=False)
    images = torch.randn(16, 16, 16, 16)
    layer = harmonize(conv, norm=norm, batch_norm="all")
    assert layer(images).var().item() == pytest.approx(conv(images).var().item(), rel=0.05)
    for fresh in (harmonize(conv, norm=norm, batch_norm="all"), fold(harmonize(conv, norm=norm))):
        kernel = fold(fresh).weight
        assert torch.allclose(kernel, conv.weight, rtol=1e-3, atol=1e-4)
    drawn, _ = HarmonicConv2d(16, 64, 3, norm=norm, batch_norm=True).equivalent_kernel()
    energy = conv.weight.square().sum().item()
    assert drawn.square().sum().item() == pytest.approx(energy, rel=0.05)


def test_models_on_the_meta_device_convert():
    with torch.device("meta"):
        model = build_network("resnet-18", conv="plain")
    harmonized = harmonize(model, batch_norm="first")
    assert harmonized.root[0].filter_bank.is_meta
    assert fold(harmonized).root[0].weight.is_meta


@pytest.mark.parametrize("batch_norm", ["none", "first", "all"])
def test_a_trained_network_folds_to_what_it_computes(batch_norm):
    torch.manual_seed(0)
    network = build_network("small", width=16, batch_norm=batch_norm, level=3)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    for _ in range(10):
        images, labels = torch.randn(16, 3, 40, 40), torch.randint(7, (16,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(images), labels).backward()
        optimizer.step()
    network.eval()
    folded = fold(network)
    assert not harmonic_layers(folded)
    images = torch.randn(8, 3, 40, 40)
    output = network(images)
    scale = max(1, output.abs().max().item())
    assert (folded(images) - output).abs().max() < 1e-5 * scale


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize("basis", [None, 2])
@pytest.mark.parametrize("dc", [True, False])
def test_truncation_is_zeroing_the_high_frequencies(batch_norm, basis, dc):
    torch.manual_seed(0)
    layer = HarmonicConv2d(
        4, 6, (3, 4), padding=1, groups=2, batch_norm=batch_norm, basis_size=basis, dc=dc
    )
    if batch_norm:
        layer.momentum = 0.3
        layer(torch.randn(4, 4, 9, 9) * 3 + 1)
    layer.eval()
    truncated = truncate(layer, 2)
    frequencies = torch.tensor(layer.frequencies()).sum(dim=1)
    assert truncated.frequencies() == [pair for pair in layer.frequencies() if sum(pair) < 2]
    zeroed = copy.deepcopy(layer)
    with torch.no_grad():
        zeroed.weight[:, :, frequencies >= 2] = 0
    images = torch.randn(2, 4, 9, 9)
    assert torch.allclose(truncated(images), zeroed(images), atol=1e-5)
    assert truncated.momentum == layer.momentum
    assert not truncated.training


def test_truncation_leaves_layers_at_or_below_the_level():
    network = build_network("wrn-10-1", level="progressive")
    levels = [one.level for one in harmonic_layers(truncate(network, 3))]
    assert levels == [3, 3, 3, 3, 3, 2, 2]
    assert truncate(network, 3)(torch.randn(2, 3, 32, 32)).shape == (2, 7)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: harmonize("resnet"), TypeError, ["model='resnet'"]),
        (lambda: fold(None), TypeError, ["model=None"]),
        (lambda: truncate(3, 2), TypeError, ["model=3"]),
        (lambda: harmonize(nn.Conv2d(1, 1, 3), level=0), ValueError, ["level=0"]),
        (lambda: harmonize(nn.Conv2d(1, 1, 3), norm="l2"), ValueError, ["norm='l2'"]),
        (lambda: harmonize(nn.ReLU(), batch_norm="root"), ValueError, ["batch_norm='root'"]),
        (lambda: truncate(HarmonicConv2d(1, 1, 3), 0), ValueError, ["level=0"]),
        (lambda: truncate(HarmonicConv2d(1, 1, 3), 1.5), TypeError, ["level=1.5"]),
        (lambda: truncate(HarmonicConv2d(1, 1, 3, dc=False), 1), ValueError, ["dc=False"]),
    ],
)
def test_wrong_arguments_are_named_with_their_value(call, error, words):
    with pytest.raises(error) as caught:
        call()
    for word in words:
        assert word in str(caught.value)
