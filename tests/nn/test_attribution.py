"""Grad-CAM: where the evidence is, and nothing else."""

import pytest
import torch
from torch import nn

from harmonic.nn import build_network
from harmonic.nn.attribution import grad_cam


class Mean(nn.Module):
    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.mean(dim=(2, 3))


def test_it_is_the_formula_of_the_paper() -> None:
    """With a linear head on mean maps, the gradient of map k is the head's weight over the area."""
    torch.manual_seed(0)
    conv, head = nn.Conv2d(3, 5, 3, padding=1), nn.Linear(5, 4)
    model = nn.Sequential(conv, Mean(), head)
    images = torch.randn(2, 3, 8, 8)
    classes = torch.tensor([1, 3])
    heat = grad_cam(model, images, classes)
    maps = conv(images)
    raw = torch.relu((head.weight[classes] / 64)[:, :, None, None] * maps).new_zeros(2, 8, 8)
    for n in range(2):
        raw[n] = torch.relu((head.weight[classes[n], :, None, None] / 64 * maps[n]).sum(0))
    assert torch.allclose(heat, raw / raw.amax(dim=(1, 2), keepdim=True), atol=1e-5)


def test_it_finds_the_bright_corner() -> None:
    conv, head = nn.Conv2d(3, 1, 1, bias=False), nn.Linear(1, 2, bias=False)
    nn.init.ones_(conv.weight)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0], [-1.0]]))
    images = torch.zeros(1, 3, 16, 16)
    images[:, :, :4, 12:] = 1
    model = nn.Sequential(conv, Mean(), head)
    heat = grad_cam(model, images, torch.tensor([0]))[0]
    assert heat[:4, 12:].min() == 1
    assert heat[4:].max() == 0
    assert grad_cam(model, images, torch.tensor([1])).max() == 0


@pytest.mark.parametrize("name", ["small", "post", "wrn-10-1"])
def test_the_model_is_left_as_it_was(name: str) -> None:
    options = {"image_size": 28} if name == "post" else {}
    model = build_network(name, **options)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.inference_mode(False):
        heat = grad_cam(model, torch.randn(2, 3, 28, 28), torch.tensor([0, 6]))
    assert heat.shape == (2, 28, 28)
    assert ((heat >= 0) & (heat <= 1)).all()
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_a_model_without_maps_is_refused() -> None:
    with pytest.raises(ValueError, match="feature maps"):
        grad_cam(nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.zeros(1, 3, 2, 2),
                 torch.tensor([0]))  # fmt: skip
