"""The post's protocol: its draws overlap as they did, seen is told from unseen."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import precision_score, recall_score

from harmonic.data.classes import CLASSES
from studies.__main__ import main
from studies.pages import write_page
from studies.post_protocol.page import parts
from studies.post_protocol.protocol import independent_draws, micro_average


@pytest.fixture(scope="module")
def groups():
    """Lesion of each of 10,000 images: every second lesion has two photographs."""
    lesions = np.repeat(np.arange(6_667), np.tile([1, 2], 3_334)[:6_667])[:10_000]
    return np.array([f"HAM_{number:07d}" for number in lesions])


@pytest.mark.parametrize("draw", [0, 1])
def test_independent_draws_overlap_as_the_post_did(groups, draw):
    draws = independent_draws(groups, draw)
    assert len(draws.training) == 8_500
    assert draws.in_test.sum() == 1_500
    assert (draws.part[draws.in_test] == "seen").mean() == pytest.approx(0.85, abs=0.03)
    untouched = np.setdiff1d(np.arange(10_000), draws.training)
    assert np.isin(untouched, draws.answered).all()
    new = draws.part != "seen"
    assert np.array_equal(draws.answered[new], untouched)
    known = np.isin(groups[draws.answered], groups[draws.training])
    assert np.array_equal(known, draws.part != "unseen")


def test_the_draws_follow_from_their_number(groups):
    first, same, other = (independent_draws(groups, draw) for draw in (0, 0, 1))
    assert np.array_equal(first.training, same.training)
    assert not np.array_equal(first.training, other.training)


def test_precision_and_recall_of_the_post_are_one_number_and_near_balanced_accuracy():
    random = np.random.default_rng(0)
    labels = random.choice(7, size=20_000, p=[0.11, 0.67, 0.05, 0.03, 0.11, 0.01, 0.02])
    right = random.random(20_000) < np.linspace(0.2, 0.8, 7)[labels]
    answers = np.where(right, labels, (labels + 1) % 7)
    drawn = torch.Generator().manual_seed(0)
    assert micro_average(labels, answers, drawn) == pytest.approx(0.5, abs=0.03)
    for score in (precision_score, recall_score):
        every = score(labels, answers, average="micro")
        assert every == pytest.approx((labels == answers).mean())


def test_a_network_that_knows_only_what_it_saw_is_found_out():
    random = np.random.default_rng(0)
    dx = np.tile(CLASSES, 100)
    part = random.choice(["seen", "sibling", "unseen"], p=[0.8, 0.1, 0.1], size=700)
    wrong = np.roll(CLASSES, 1)[np.tile(np.arange(7), 100)]
    answers = pd.DataFrame(
        {
            "lesion_id": np.arange(700).astype(str),
            "dx": dx,
            "answer": np.where(part == "seen", dx, wrong),
            "part": part,
            "in_test": 1,
            "draw": np.repeat([0, 1], 350),
        }
    )
    found = list(parts(answers, resamples=200))
    whole, seen, sibling, unseen = (scores for _, _, scores in found)
    low, high = whole.interval()
    assert whole.value == pytest.approx((part == "seen").mean(), abs=0.02)
    assert low < whole.value < high
    assert (seen.value, sibling.value, unseen.value) == (1, 0, 0)
    assert np.isnan([seen.interval(), unseen.interval()]).all()
    assert found[0][1] == 350


@pytest.mark.slow
def test_the_study_runs_once_and_sums_up(tmp_path, capsys):
    from harmonic.sample.archive import fetch_sample

    fetch_sample(tmp_path / "raw", tmp_path / "unfinished", images=105, seed=0)
    options = ["--draws", "1", "--epochs", "2", "--commit", "c0ffee"]
    options += ["--work", str(tmp_path / "work"), "--runs", str(tmp_path / "runs")]
    for epochs in (2, 0):  # nothing is trained twice
        assert main(["post-protocol", "--archive", str(tmp_path / "raw"), *options]) == 0
        assert capsys.readouterr().err.count("the post's precision") == epochs
    write_page("post_protocol.md", tmp_path)
    assert "| lesions never trained on " in (tmp_path / "post_protocol.md").read_text()
    assert b"<svg" in (tmp_path / "post_protocol.svg").read_bytes()


def test_bad_options_are_said_in_one_line(tmp_path, capsys):
    none = str(tmp_path / "none.zip")
    assert main(["post-protocol", "--archive", none, "--commit", "0"]) == 1
    assert "none.zip is not there" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["post-protocol", "--epochs", "0"])
    assert "allowed is 1 or more" in capsys.readouterr().err
