"""Evidence maps and the choice of cases, against cases worked out by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from harmonic.errors import InputError
from harmonic.evaluation.cases import confident_hits, confident_mistakes
from harmonic.evaluation.grad_cam import class_activation_maps
from harmonic.evaluation.plots import case_strip, filter_sheet
from harmonic.evaluation.spectra import first_kernels
from harmonic.nn.networks import build_network


class Brightness(nn.Module):
    """Class 0 is how bright the first channel is, class 1 the second."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 2, 1, bias=False)
        self.conv.weight.data = torch.tensor([[1.0, 0, 0], [0, 1.0, 0]])[:, :, None, None]

    def forward(self, images):
        return self.conv(images).mean(dim=(2, 3))


def test_the_evidence_is_where_the_class_is():
    images = torch.zeros(2, 3, 8, 8)
    images[0, 0, :4, :4] = 1.0  # red at the upper left
    images[0, 1, 4:, 4:] = 0.5  # green at the lower right
    images[1] = images[0]
    found = class_activation_maps(Brightness(), images, [0, 1])
    assert found.shape == (2, 8, 8)
    expected = np.zeros((8, 8))
    expected[:4, :4] = 1
    assert found[0] == pytest.approx(expected)
    assert found[1] == pytest.approx(expected[::-1, ::-1])


def test_every_network_has_a_map_and_is_left_as_it_was():
    for name in ("small", "resnet-18"):
        model = build_network(name).eval()
        images = torch.randn(2, 3, 64, 64)
        before = model(images)
        found = class_activation_maps(model, images, [3, 5])
        assert found.shape == (2, 64, 64)
        assert found.min() >= 0
        assert found.max() <= 1
        assert torch.equal(model(images), before)
        assert not any(module._forward_hooks for module in model.modules())
        assert all(parameter.grad is None for parameter in model.parameters())


def test_what_cannot_be_asked_is_refused():
    with pytest.raises(InputError, match="1 classes for 2 images"):
        class_activation_maps(Brightness(), torch.zeros(2, 3, 8, 8), [0])
    flat = nn.Sequential(nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(InputError, match="no layer with feature maps"):
        class_activation_maps(flat, torch.zeros(1, 3, 2, 2), [0])


def test_the_surest_cases():
    sure = np.array([0.5, 0.9, 0.8, 0.7, 0.95])
    answers = np.array([0, 0, 0, 1, 1])
    probabilities = np.full((5, 7), 0.0)
    probabilities[np.arange(5), answers] = sure
    probabilities[np.arange(5), 6] = 1 - sure
    labels = np.array([1, 1, 1, 1, 1])
    assert confident_mistakes(labels, ["a", "b", "b", "c", "d"], probabilities, 8) == [1, 0]
    assert confident_mistakes(labels, ["a", "b", "b", "c", "d"], probabilities, 1) == [1]
    assert confident_hits(labels, probabilities) == [4]


def test_pictures_are_png_and_odd_shapes_refused():
    image = np.zeros((8, 6, 3), dtype=np.uint8)
    assert case_strip(image, [np.ones((8, 6))]).startswith(b"\x89PNG")
    learned, fixed = first_kernels(build_network("small"))
    assert learned.shape[1:] == (3, *fixed.shape[1:])
    assert filter_sheet(learned).startswith(b"\x89PNG")
    assert filter_sheet(fixed[:, None]).startswith(b"\x89PNG")
    with pytest.raises(InputError, match="kernels"):
        filter_sheet(fixed)
    with pytest.raises(InputError, match="case"):
        case_strip(image.astype(float), [])
