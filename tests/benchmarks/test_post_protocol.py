"""The post's protocol: what was seen is told from what was not, by hand-made answers."""

import numpy as np
import pytest

from benchmarks.post_protocol import independent_draws, main, parts_of


def test_independent_draws_overlap_as_the_post_did():
    training, test = independent_draws(10_000, 1, 2)
    assert len(training) == 8_500
    assert len(test) == 1_500
    assert np.isin(test, training).mean() == pytest.approx(0.85, abs=0.03)


def test_a_network_that_knows_only_what_it_saw_is_found_out():
    random = np.random.default_rng(0)
    labels = np.tile(np.arange(7), 100)
    seen_image = random.random(700) < 0.85
    seen_lesion = seen_image | (random.random(700) < 0.5)
    answers = np.where(seen_image, labels, (labels + 1) % 7)
    probabilities = 0.94 * np.eye(7)[answers] + 0.01
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    lesions = np.arange(700).astype(str)
    parts = parts_of(labels, lesions, seen_image, seen_lesion, probabilities, resamples=50)
    whole, seen, other, unseen = parts
    assert whole.accuracy == pytest.approx(seen_image.mean(), abs=0.02)
    assert whole.balanced_accuracy == pytest.approx(seen_image.mean(), abs=0.02)
    assert seen.accuracy == seen.balanced_accuracy == 1
    assert other.accuracy == unseen.accuracy == unseen.balanced_accuracy == 0
    assert sum(part.images for part in (seen, other, unseen)) == whole.images == 700


def test_a_missing_archive_is_said(tmp_path, capsys):
    assert main(["--archive", str(tmp_path / "none.zip")]) == 1
    assert "none.zip is not there" in capsys.readouterr().err
