"""When a harmonic layer learns exactly what a convolution learns, and when it does not.

An orthonormal bank is a rotation of coordinates, whatever its filters are: gradient descent with
momentum and weight decay follows one path in any of them. Adam scales each coordinate by itself.
"""

from functools import partial

import pytest
import torch
from torch import nn

from harmonic import HarmonicConv2d, harmonize

STEPS = 50


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 6, (5, 2), stride=2, groups=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.LazyLinear(3),
    ).double()


def largest_distance(make_optimizer, **bank):
    """Largest difference of any kernel between plain and harmonic training, over all steps."""
    plain = network()
    plain(torch.zeros(1, 2, 9, 8, dtype=torch.float64))
    twin = harmonize(plain, **bank)
    optimizers = [make_optimizer(one.parameters()) for one in (plain, twin)]
    generator = torch.Generator().manual_seed(1)
    largest = 0.0
    for _ in range(STEPS):
        images = torch.randn(8, 2, 9, 8, generator=generator, dtype=torch.float64)
        labels = torch.randint(3, (8,), generator=generator)
        for model, optimizer in zip((plain, twin), optimizers, strict=True):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(images), labels).backward()
            optimizer.step()
        for conv, layer in zip(plain, twin, strict=True):
            if isinstance(layer, HarmonicConv2d):
                kernel, _ = layer.equivalent_kernel()
                largest = max(largest, (kernel - conv.weight).abs().max().item())
    return largest


def sgd(parameters, nesterov=False):
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=nesterov)


@pytest.mark.parametrize("nesterov", [False, True])
@pytest.mark.parametrize("transform", ["dct2", "dct4", "random"])
def test_sgd_with_an_orthonormal_bank_follows_the_convolution_step_for_step(transform, nesterov):
    assert largest_distance(partial(sgd, nesterov=nesterov), transform=transform) < 1e-9


def test_sgd_with_the_l1_bank_does_not():
    assert largest_distance(sgd, norm="l1") > 1e-2


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize("bank", [{}, {"norm": "l1"}, {"transform": "random"}])
def test_adam_does_not_with_any_bank(bank, optimizer):
    assert largest_distance(partial(optimizer, lr=1e-3), **bank) > 1e-3
