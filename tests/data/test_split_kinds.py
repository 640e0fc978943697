"""Cross-validation and the stable split: the same promises as the default one, and their own."""

from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedGroupKFold

from harmonic.data.classes import CLASSES
from harmonic.data.split import (
    SETS,
    Assign,
    share_with_sibling,
    split_by_hash,
    split_fold,
    split_groups,
)
from harmonic.errors import InputError

SHARES = {"train": 0.65, "val": 0.15, "test": 0.2}


@st.composite
def labelled_groups(draw: st.DrawFn, fewest: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Images of some lesions in each of some classes, 1 to 6 images a lesion, shuffled."""
    groups, dx = [], []
    for name in draw(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=4, unique=True)):
        for number in range(draw(st.integers(fewest, 2 * fewest))):
            images = draw(st.integers(1, 6))
            groups += [f"{name}_{number}"] * images
            dx += [name] * images
    order = np.random.default_rng(draw(st.integers(0, 99))).permutation(len(groups))
    return np.array(groups)[order], np.array(dx)[order]


@pytest.mark.parametrize("folds", [2, 3, 5])
@given(data=labelled_groups(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15)
def test_every_image_is_tested_once_and_no_group_is_divided(
    folds: int, data: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    groups, dx = data
    tested = np.zeros(len(groups), dtype=int)
    for fold in range(folds):
        sets = split_fold(split_groups, groups, dx, folds=folds, fold=fold, val=0.15, seed=seed)
        assert set(sets) == set(SETS)
        assert share_with_sibling(groups, sets) == 0
        for group in np.unique(groups):
            assert len(set(sets[groups == group])) == 1
        tested += sets == "test"
        assert (sets == "val").mean() == pytest.approx(0.15, abs=0.12)
    assert (tested == 1).all()


@given(data=labelled_groups(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_classes_are_spread_over_folds_as_evenly_as_scikit_learn_does(
    data: tuple[np.ndarray, np.ndarray], seed: int
) -> None:
    groups, dx = data
    names = [f"fold {number}" for number in range(5)]
    ours = split_groups(groups, dx, dict.fromkeys(names, 0.2), seed)
    theirs = np.empty(len(groups), dtype="<U6")
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=seed % 1000)
    for number, (_, test) in enumerate(folds.split(groups, dx, groups)):
        theirs[test] = names[number]

    def spread(sets: np.ndarray) -> int:
        counts = [[(dx[sets == name] == one).sum() for name in names] for one in np.unique(dx)]
        return int(np.ptp(counts, axis=1).max())

    assert spread(ours) <= spread(theirs) + 6  # one lesion


@given(data=labelled_groups(fewest=60), seed=st.integers(0, 2**32 - 1), more=st.integers(1, 50))
@settings(max_examples=40)
def test_new_lesions_move_no_old_one(
    data: tuple[np.ndarray, np.ndarray], seed: int, more: int
) -> None:
    groups, dx = data
    before = split_by_hash(groups, dx, SHARES, seed)
    assert set(before) <= set(SETS)
    assert share_with_sibling(groups, before) == 0
    new = np.array([f"new_{number}" for number in range(more)])
    order = np.random.default_rng(seed).permutation(len(groups) + more)
    grown = np.concatenate([groups, new])[order]
    grown_dx = np.concatenate([dx, np.full(more, dx[0])])[order]
    after = dict(zip(grown, split_by_hash(grown, grown_dx, SHARES, seed), strict=True))
    assert [after[group] for group in groups] == before.tolist()


def test_the_default_split_does_move_old_lesions() -> None:
    """Otherwise the option would promise nothing."""
    groups = np.array([f"l{number}" for number in range(300)])
    dx = np.full(300, "nv")
    before = split_groups(groups[:-1], dx[:-1], SHARES, 0)
    assert (split_groups(groups, dx, SHARES, 0)[:-1] != before).any()


@pytest.mark.parametrize("shares", [SHARES, {"a": 0.5, "b": 0.5}])
def test_hashed_shares_are_met_as_chance_allows(shares: Mapping[str, float]) -> None:
    groups = np.array([f"l{number}" for number in range(20_000)])
    sets = split_by_hash(groups, np.full(20_000, "nv"), shares, 3)
    for name, share in shares.items():
        assert (sets == name).mean() == pytest.approx(share, abs=0.015)  # above 4 sigma


@pytest.mark.parametrize("assign", [split_groups, split_by_hash])
def test_folds_of_both_kinds_share_no_test_image(assign: Assign) -> None:
    groups = np.array([f"l{number // 2}" for number in range(800)])
    dx = np.array([CLASSES[number // 2 % 2] for number in range(800)])
    sets = [split_fold(assign, groups, dx, folds=4, fold=k, val=0.2, seed=1) for k in range(4)]
    tested = np.sum([part == "test" for part in sets], axis=0)
    assert (tested == 1).all()
    for part in sets:
        assert share_with_sibling(groups, part) == 0
        assert (part == "val").mean() == pytest.approx(0.2, abs=0.07)


def test_a_class_that_chance_leaves_out_of_a_set_is_refused() -> None:
    groups = np.array(["a", "b", "c"])
    with pytest.raises(InputError, match=r"class df has no lesion in .*split.stable") as caught:
        split_by_hash(groups, np.full(3, "df"), {"train": 0.98, "val": 0.01, "test": 0.01}, 0)
    assert "\n" not in str(caught.value)
