"""A network cut to other levels computes what its description says."""

import pytest
import torch

from harmonic.nn import HarmonicConv2d, build_network, harmonize, truncate
from harmonic.nn.surgery import take_over

IMAGES = torch.randn(3, 3, 28, 28, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("batch_norm", ["none", "first", "all"])
def test_it_is_truncation_but_for_the_first_layer(batch_norm: str) -> None:
    options = {"width": 4, "batch_norm": batch_norm}
    source = build_network("small", **options)
    source(IMAGES)
    target = build_network("small", level=2, **options)
    take_over(target, source)
    cut = truncate(source, 2)
    cut.stem = source.stem
    with torch.inference_mode():
        assert torch.equal(target.eval()(IMAGES), cut.eval()(IMAGES))


def test_levels_may_differ_from_stage_to_stage() -> None:
    source = build_network("small", width=4)
    target = build_network("small", width=4, level="progressive")
    take_over(target, source)
    first, _, last = (stage.conv1.weight for stage in target.stages)
    assert torch.equal(first, source.stages[0].conv1.weight)
    assert last.shape[2] == 3
    back = build_network("small", width=4)
    take_over(back, target)
    assert not back.stages[2].conv1.weight[:, :, 5:].any()
    with torch.inference_mode():
        assert torch.allclose(back.eval()(IMAGES), target.eval()(IMAGES), atol=1e-5)


def test_a_plain_network_loses_nothing_but_the_frequencies() -> None:
    source = build_network("small", width=4, conv="plain")
    whole = build_network("small", width=4)
    take_over(whole, source)
    fewer = build_network("small", width=4, level=2)
    take_over(fewer, source)
    cut = truncate(harmonize(source), 2)
    with torch.inference_mode():
        assert torch.allclose(whole.eval()(IMAGES), source.eval()(IMAGES), atol=1e-5)
        assert torch.allclose(fewer.stages(IMAGES.new_ones(1, 4, 8, 8)),
                              cut.stages(IMAGES.new_ones(1, 4, 8, 8)), atol=1e-5)  # fmt: skip


@pytest.mark.parametrize("other", [{"width": 8}, {"blocks": 2}, {"batch_norm": "all"}])
def test_networks_of_two_shapes_are_refused(other: dict[str, int | str]) -> None:
    with pytest.raises((AttributeError, RuntimeError)):
        take_over(build_network("small", width=4), build_network("small", **{"width": 4, **other}))


def test_a_layer_like_another_has_its_arguments_and_settings_but_for_the_changes() -> None:
    layer = HarmonicConv2d(
        4, 6, (3, 2), 2, (1, 0), (1, 2), 2, False, "circular",
        dtype=torch.float64, dc=False, norm="l1", batch_norm=True, basis_size=4,
    )  # fmt: skip
    layer.eps, layer.momentum, layer.statistics = 1e-3, None, "maps"
    before = torch.get_rng_state()
    twin, cut = layer.like(), layer.like(level=2)
    assert torch.equal(torch.get_rng_state(), before)
    assert repr(twin) == repr(layer)
    assert repr(cut) == repr(layer).replace("dc=False", "level=2, dc=False")
    assert cut.frequencies() == [(0, 1), (1, 0)]
    for new in (twin, cut):
        assert (new.eps, new.momentum, new.statistics) == (1e-3, None, "maps")
        assert new.weight.dtype == torch.float64
