"""The layer among other tools: tracing by torch.fx, fake and meta tensors, surgery that tells."""

import io
import warnings

import pytest
import torch
from torch import Tensor, fx, nn
from torch._subclasses.fake_tensor import FakeTensorMode

from harmonic.nn import HarmonicConv2d, build_network, filter_bank, harmonize, left_alone


class Padded(nn.Conv2d):
    """A convolution that computes something else, as libraries of networks have several."""

    def forward(self, input: Tensor) -> Tensor:
        return super().forward(nn.functional.pad(input, (0, 1, 0, 1)))


@pytest.mark.parametrize("batch_norm", ["none", "first", "all"])
@pytest.mark.parametrize("training", [True, False])
def test_torch_fx_takes_each_layer_for_one_node_as_it_does_nn_conv2d(
    batch_norm: str, training: bool
) -> None:
    options = {"width": 8, "batch_norm": batch_norm}
    model = build_network("small", conv="harmonic", **options).train(training)
    plain = build_network("small", conv="plain", width=8).train(training)
    traced = fx.symbolic_trace(model)
    nodes, expected = (
        [(node.op, node.target) for node in one.graph.nodes if node.op != "call_function"]
        for one in (traced, fx.symbolic_trace(plain))
    )
    assert nodes == expected
    images = torch.randn(4, 3, 32, 32)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    answers = model(images)
    model.load_state_dict(state)
    assert torch.equal(traced(images), answers)


def test_networks_are_built_and_run_without_memory() -> None:
    with torch.device("meta"):
        model = harmonize(nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 4, 3)), batch_norm="all")
        assert model(torch.empty(2, 3, 9, 9)).shape == (2, 4, 5, 5)
    with FakeTensorMode():
        layer = HarmonicConv2d(3, 8, 3, batch_norm=True).eval()
        assert layer(torch.empty(2, 3, 32, 32)).shape == (2, 8, 30, 30)


def test_an_empty_batch_is_taken_as_batch_norm_takes_it() -> None:
    for statistics in ("auto", "moments", "maps"):
        layer = HarmonicConv2d(3, 4, 3, batch_norm=True)
        layer.statistics = statistics
        before = layer.running_mean.clone()
        assert layer(torch.empty(0, 3, 8, 8)).shape == (0, 4, 6, 6)
        reference = nn.BatchNorm2d(3)
        reference(torch.empty(0, 3, 8, 8))
        kept = torch.equal(reference.running_mean, torch.zeros(3))  # type: ignore[arg-type]
        assert torch.equal(layer.running_mean, before) == kept


def test_kernels_too_large_to_compute_with_are_refused_at_once() -> None:
    for make in (filter_bank, lambda size: HarmonicConv2d(1, 1, size)):
        with pytest.raises(ValueError, match=r"300.* has 90000 positions; at most 4096"):
            make(300)
    assert filter_bank(64, level=1).shape == (1, 64, 64)


def test_what_cannot_be_converted_is_told_with_its_reason() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3),
        Padded(4, 4, 3),
        nn.utils.parametrizations.weight_norm(nn.Conv2d(4, 4, 3)),
        nn.Conv2d(4, 4, 3, dtype=torch.complex64),
        nn.Conv2d(4, 4, 1),
    )
    found = left_alone(model)
    assert list(found) == ["1", "2", "3"]
    assert "Padded" in found["1"]
    assert "computed anew" in found["2"]
    assert "complex64" in found["3"]
    with pytest.warns(UserWarning, match="1: Padded may compute something else"):
        converted = harmonize(model)
    kinds = [isinstance(layer, HarmonicConv2d) for layer in converted]  # type: ignore[union-attr]
    assert kinds == [True, False, False, False, False]


def test_nothing_is_told_where_everything_is_converted() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        harmonize(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1)))


def test_the_first_layer_is_the_network_s_not_the_first_that_can_be_converted() -> None:
    model = nn.Sequential(Padded(3, 4, 3), nn.Conv2d(4, 4, 3))
    with (
        pytest.warns(UserWarning, match="Padded"),
        pytest.raises(ValueError, match="batch_norm='first' needs the first convolution; 0 has to"),
    ):
        harmonize(model, batch_norm="first")


def test_a_filter_chooses_layers_by_name_and_kind() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3, groups=4), nn.Conv2d(4, 4, 3))
    by_kind = harmonize(model, only=lambda name, conv: conv.groups == 1)
    by_name = harmonize(model, only=lambda name, conv: name in ("1", "2"))
    assert [type(one) is HarmonicConv2d for one in by_kind] == [True, False, True]  # type: ignore[union-attr]
    assert [type(one) is HarmonicConv2d for one in by_name] == [False, True, True]  # type: ignore[union-attr]
    images = torch.randn(2, 3, 9, 9)
    torch.testing.assert_close(by_kind(images), model(images), rtol=1e-4, atol=1e-5)


FILTERS: list[dict[str, object]] = [
    {},
    {"norm": "l1"},
    {"norm": "none"},
    {"transform": "random"},
    {"transform": "dct4"},
    {"level": 3},
    {"level": 3, "dc": False},
    {"basis_size": 2},
]


@pytest.mark.parametrize("batch_norm", [False, True])
def test_a_state_says_whose_filters_it_is_for(batch_norm: bool) -> None:
    layers = [HarmonicConv2d(3, 4, 3, batch_norm=batch_norm, **one) for one in FILTERS]  # type: ignore[arg-type]
    for number, there in enumerate(layers):
        file = io.BytesIO()
        torch.save(nn.Sequential(there).state_dict(), file)
        for other, here in enumerate(layers):
            state = torch.load(io.BytesIO(file.getvalue()), weights_only=True)
            before = here.weight.clone()
            if number == other:
                assert nn.Sequential(here).load_state_dict(state).missing_keys == []
                continue
            with pytest.raises(RuntimeError, match=r"0: the state was saved with .* build the net"):
                nn.Sequential(here).load_state_dict(state, strict=False)
            assert torch.equal(here.weight, before)
            here.weight.data.normal_()


def test_equal_filters_by_other_arguments_and_states_that_say_nothing_are_loaded() -> None:
    all_levels, layer = HarmonicConv2d(3, 4, 3, level=5, basis_size=3), HarmonicConv2d(3, 4, 3)
    layer.load_state_dict(all_levels.state_dict())
    assert torch.equal(layer.weight, all_levels.weight)
    scaled = HarmonicConv2d(3, 4, 3, norm="l1")
    layer.load_state_dict(dict(scaled.state_dict()))  # as from a safetensors file
    assert torch.equal(layer.weight, scaled.weight)


def test_ordinary_kernels_are_refused_with_the_way_to_go() -> None:
    plain = nn.Sequential(nn.Conv2d(3, 4, 3))
    with pytest.raises(RuntimeError, match=r"0: the state holds an ordinary kernel; .* harmonize"):
        harmonize(plain).load_state_dict(plain.state_dict())
