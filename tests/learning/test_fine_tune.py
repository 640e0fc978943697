"""A changed network is trained a little more."""

from pathlib import Path

import numpy as np
import pytest
import torch

from harmonic.data.arrays import LabelledImages
from harmonic.learning.batches import channel_statistics, predict_logits
from harmonic.learning.fit import fine_tune
from harmonic.learning.settings import Recipe
from harmonic.nn import build_network
from harmonic.nn.binary import quantised_layers, settled

CPU = torch.device("cpu")


@pytest.mark.parametrize("kind", ["none", "binary", "ternary"])
def test_networks_with_real_and_with_quantised_weights_learn(
    tmp_path: Path, training: LabelledImages, validation: LabelledImages, recipe: Recipe, kind: str
) -> None:
    statistics = channel_statistics(training.images)
    torch.manual_seed(0)
    model = build_network("small", width=8, binarize=kind)
    logits = predict_logits(model, validation.images, statistics, CPU, view_count=1)
    before = (logits.argmax(axis=1) == validation.labels).mean()
    tuned = fine_tune(
        model, training, validation, statistics, recipe.model_copy(update={"clip": 5.0}),
        epochs=6, lr=0.01, device=CPU, checkpoint=tmp_path / "checkpoint",
    )  # fmt: skip
    assert not tuned.training
    logits = predict_logits(tuned, validation.images, statistics, CPU, view_count=1)
    assert (logits.argmax(axis=1) == validation.labels).mean() > max(0.6, before)
    for name in quantised_layers(tuned):
        weight = settled(tuned).get_submodule(name).weight
        for row in weight.flatten(1):
            assert len(np.unique(np.abs(row.detach().numpy()))) <= 2
