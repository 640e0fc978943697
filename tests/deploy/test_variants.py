"""Smaller files of one network: what they hold, and what is said of them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score

from harmonic.deploy.compression import (
    accuracy_over_bytes,
    as_table,
    balanced_choice,
    scores_of_choice,
    table_row,
)
from harmonic.deploy.predictor import OnnxPredictor, milliseconds
from harmonic.deploy.variants import multiply_adds, outputs, parameters, variants
from harmonic.markdown import with_interval
from harmonic.nn import build_network
from tests.deploy.conftest import describe, photograph, trained

PIXELS = np.stack([photograph(seed, 32, 32) for seed in range(20)])
CPU = torch.device("cpu")


@pytest.mark.parametrize("conv", ["harmonic", "plain"])
def test_every_variant_is_a_file_that_answers(tmp_path: Path, conv: str) -> None:
    description = describe(options={"width": 16}, conv=conv)
    model = trained(description)
    made = list(variants(model, description, tmp_path, PIXELS, None, 0))
    names = [variant.weights for variant in made]
    assert names == ["float32", "bfloat16", "int8", "level 4", "level 3", "level 2", "level 1",
                     "progressive",
                     "ternary", "binary"]  # fmt: skip
    found = {one.weights: outputs(one, PIXELS, CPU, view_count=1) for one in made}
    whole = found["float32"]
    for name, tolerance in (("bfloat16", 0.05), ("int8", 0.2)):
        assert 0 < np.abs(found[name] - whole).max() < tolerance
    assert all(np.isfinite(logits).all() for logits in found.values())
    size = {one.weights: one.path.stat().st_size for one in made}
    assert size["binary"] < size["ternary"] < size["level 2"] < size["level 3"] < size["float32"]
    counts = {one.weights: parameters(one, model) for one in made}
    assert counts["float32"] == counts["binary"] == counts["int8"] > counts["level 3"]
    latency = milliseconds({"int8": OnnxPredictor(tmp_path / "int8.onnx")}, batch=2, rounds=2)
    assert latency["int8"] > 0


def test_a_network_trained_with_binary_weights_is_packed_and_left_at_that(tmp_path: Path) -> None:
    description = describe(options={"width": 8, "binarize": "binary"})
    made = list(variants(trained(description), description, tmp_path, PIXELS, None, 0))
    assert [one.weights for one in made] == ["float32", "binary"]
    whole, packed = (outputs(one, PIXELS, CPU, view_count=1) for one in made)
    assert np.array_equal(whole, packed)


def test_fine_tuning_comes_after_frequencies_are_cut_and_weights_binarised(tmp_path: Path) -> None:
    description = describe(options={"width": 8})
    tuned = []

    def tune(model: torch.nn.Module, name: str) -> torch.nn.Module:
        tuned.append(name)
        with torch.no_grad():
            model.head[-1].bias.fill_(len(tuned))
        return model

    made = list(variants(trained(description), description, tmp_path, PIXELS, tune, 3))
    assert tuned == ["level 4", "level 3", "level 2", "level 1", "progressive", "ternary", "binary"]
    assert [one.weights for one in made if one.epochs == 3] == tuned
    assert len({one.path for one in made}) == len(made) == 17


def test_multiply_adds_are_counted_by_hand() -> None:
    """The post's network for 64 pixels: kernels times outputs of each layer."""
    layers = [(3 * 16, 3, 63), (3 * 16, 32, 62), (32 * 9, 32, 31), (32 * 9, 64, 31)]
    layers += [(64 * 9, 64, 16), (64 * 9, 128, 16), (128 * 9, 128, 16)]
    expected = sum(kernel * channels * size * size for kernel, channels, size in layers)
    expected += 128 * 8 * 8 * 1024 + 1024 * 128 + 128 * 7
    for conv in ("harmonic", "plain"):
        assert multiply_adds(build_network("post", conv=conv), 64) == expected


def test_scores_are_the_library_s_and_pairs_cancel_what_they_share() -> None:
    random = np.random.default_rng(0)
    labels = np.arange(140) % 7
    lesions = np.array([f"L{number // 14 * 7 + number % 7}" for number in range(140)])
    logits = random.normal(size=(140, 7)) + 1.5 * np.eye(7)[labels]
    counts = [9, 1, 2, 3, 4, 5, 6]
    for imbalance in ("none", "class_weights"):
        chosen = balanced_choice(logits, counts, imbalance)
        scores = scores_of_choice(labels, lesions, chosen, resamples=200, seed=1)
        shifted = logits - np.log(counts) if imbalance == "none" else logits
        expected = balanced_accuracy_score(labels, shifted.argmax(axis=1))
        assert scores.value == pytest.approx(expected)
        low, high = scores.interval()
        assert low < scores.value < high


def test_an_interval_of_no_width_is_none() -> None:
    """Of a network against itself, and of one that answers a single class."""
    labels, lesions = np.arange(70) % 7, np.arange(70).astype(str)
    one_class = scores_of_choice(labels, lesions, np.ones(70, int), resamples=100, seed=0)
    row = table_row(one_class, one_class)
    assert (row["balanced_accuracy"], row["change"]) == (0.1429, 0)
    ends = [
        row[f"{name}_{end}"] for name in ("balanced_accuracy", "change") for end in ("low", "high")
    ]
    assert np.isnan(ends).all()
    table = pd.DataFrame([row | {"weights": "binary", "epochs": 0, "bytes": 1}])
    assert "0.1429,,,0.0,," in table.to_csv(index=False)
    assert accuracy_over_bytes(table).startswith(b"<?xml")
    assert with_interval(row["change"], row["change_low"], row["change_high"], "+.1f") == "+0.0 –"


def test_the_picture_depends_on_the_table_alone() -> None:
    figures = {
        "balanced_accuracy": 0.7,
        "balanced_accuracy_low": 0.6,
        "balanced_accuracy_high": 0.8,
    }
    rows = [
        {"weights": "float32", "epochs": 0, "bytes": 1000, **figures},
        {"weights": "level 2", "epochs": 0, "bytes": 400, **figures},
        {"weights": "level 2", "epochs": 3, "bytes": 400, **figures},
    ]
    table = as_table(rows)
    assert table.share.tolist() == [1, 0.4, 0.4]
    assert accuracy_over_bytes(table) == accuracy_over_bytes(as_table(rows))
    assert b"level 2" in accuracy_over_bytes(table)
