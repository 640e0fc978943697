"""Images that look alike across lesion groups are found, however many there are."""

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonic.data.inspection import Inspected
from harmonic.data.integrity import NEAR, duplicates_across_groups


def inspected(look: list[int], sha256: str) -> Inspected:
    moments = np.zeros(3)
    words = np.array(look, dtype=np.uint64)
    return Inspected(40, 30, "JPEG", "RGB", sha256, moments, moments, words)


def index_of(groups: list[str]) -> pd.DataFrame:
    ids = [f"i{number}" for number in range(len(groups))]
    return pd.DataFrame({"image_id": ids, "lesion_group": groups, "dx": "nv"})


FULL = 2**64 - 1


def test_near_and_identical_images_of_other_groups_are_named() -> None:
    looks = [[0, 0, 0, 0], [FULL] * 4, [0, 0, 0, 0b111], [0, 0, 0, 0], [FULL, FULL, FULL, 0]]
    digests = ["a", "b", "c", "a", "d"]
    groups = ["l1", "l2", "l3", "l4", "l5"]
    found = duplicates_across_groups(
        index_of(groups), [inspected(*pair) for pair in zip(looks, digests, strict=True)]
    )
    assert found.image_id.tolist() == ["i2", "i3"]
    assert found.image_id_earlier.tolist() == ["i0", "i0"]
    assert found.bits.tolist() == [3, 0]
    assert found.identical.tolist() == [False, True]


def test_images_of_one_group_are_no_finding() -> None:
    found = duplicates_across_groups(index_of(["l", "l"]), [inspected([0] * 4, "a")] * 2)
    assert len(found) == 0
    assert found.to_csv(index=False).startswith("image_id,lesion_group,dx,image_id_earlier")


def test_many_equal_images_make_one_row_each() -> None:
    groups = [f"l{number}" for number in range(300)]
    found = duplicates_across_groups(index_of(groups), [inspected([7] * 4, "a")] * 300)
    assert len(found) == 299
    assert set(found.image_id_earlier) == {"i0"}


@given(
    rows=st.lists(
        st.tuples(
            st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4),
            st.integers(0, 40),
            st.integers(0, 3),
        ),
        min_size=1,
        max_size=12,
    ),
)
@settings(max_examples=60)
def test_it_finds_what_a_comparison_of_all_pairs_finds(
    rows: list[tuple[list[int], int, int]],
) -> None:
    """Each row is followed by a copy with some bits flipped, in its own group."""
    looks, groups = [], []
    for number, (look, flips, shared) in enumerate(rows):
        other = list(look)
        for bit in range(flips):
            other[bit % 4] ^= 1 << (bit * 7 % 64)
        looks += [look, other]
        groups += [f"g{shared}", f"h{number}"]
    images = [inspected(look, f"{position}") for position, look in enumerate(looks)]
    found = duplicates_across_groups(index_of(groups), images)

    def apart(first: int, second: int) -> int:
        pairs = zip(looks[first], looks[second], strict=True)
        return sum((one ^ two).bit_count() for one, two in pairs)

    expected = {}
    for late in range(len(looks)):
        near = [
            (apart(early, late), early)
            for early in range(late)
            if groups[early] != groups[late] and apart(early, late) <= NEAR
        ]
        if near:
            bits, early = min(near)
            expected[f"i{late}"] = (f"i{early}", bits)
    pairs = zip(found.image_id_earlier, found.bits, strict=True)
    assert dict(zip(found.image_id, pairs, strict=True)) == expected
