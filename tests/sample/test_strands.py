"""The hair simulator: true areas, true masks, and nothing changed where there is no hair."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonic.sample.strands import COLOURS, DENSITIES, Strand, add_hair, bezier, rasterise


@settings(max_examples=25)
@given(
    width=st.floats(0.9, 6.0),
    angle=st.floats(0.0, np.pi),
    shift=st.tuples(st.floats(0.0, 1.0), st.floats(0.0, 1.0)),
    opacity=st.floats(0.2, 1.0),
)
def test_a_straight_strand_covers_length_times_width(
    width: float, angle: float, shift: tuple[float, float], opacity: float
) -> None:
    along = np.linspace(-20.0, 20.0, 9)[:, None] * np.array([np.cos(angle), np.sin(angle)])
    strand = Strand(along + 32.0 + np.array(shift), np.full(9, width), opacity)
    covered, opaque, shaded = np.moveaxis(rasterise([strand], (65, 65)), 2, 0)
    assert covered.sum() == pytest.approx(40.0 * width, abs=40.0 / 8 + width)
    assert covered.max() <= 1.0
    np.testing.assert_allclose(opaque, covered * opacity, atol=0.01)
    np.testing.assert_allclose(shaded, opaque, atol=0.01)


def test_areas_are_right_on_average() -> None:
    rng = np.random.default_rng(0)
    ratios = []
    for _ in range(60):
        width, angle = rng.uniform(0.9, 3.0), rng.uniform(0.0, np.pi)
        along = np.linspace(-20.0, 20.0, 9)[:, None] * np.array([np.cos(angle), np.sin(angle)])
        strand = Strand(along + 32.0 + rng.random(2), np.full(9, width))
        ratios.append(rasterise([strand], (65, 65))[..., 0].sum() / (40.0 * width))
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.03)


def test_coverage_lies_where_the_strand_is_to_a_fraction_of_a_pixel() -> None:
    for offset in (0.0, 0.25, 0.6):
        path = np.column_stack([np.linspace(-5.0, 45.0, 9), np.full(9, 10.0 + offset)])
        covered = rasterise([Strand(path, np.full(9, 3.0))], (20, 40))[..., 0]
        centre = (covered.sum(axis=1) * (np.arange(20) + 0.5)).sum() / covered.sum()
        assert centre == pytest.approx(10.0 + offset, abs=0.13)


def test_a_bezier_curve_starts_and_ends_at_its_outer_points() -> None:
    points = np.array([[0.0, 0.0], [3.0, 5.0], [6.0, -5.0], [9.0, 1.0]])
    path = bezier(points, samples=50)
    np.testing.assert_allclose(path[[0, -1]], points[[0, -1]])
    straight = bezier(np.linspace([0.0, 0.0], [6.0, 3.0], 4), samples=7)
    np.testing.assert_allclose(straight, np.linspace([0.0, 0.0], [6.0, 3.0], 7), atol=1e-12)


@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("density", DENSITIES)
def test_hair_over_an_image(colour: str, density: str) -> None:
    skin = np.full((90, 120, 3), (220, 160, 150), dtype=np.uint8)
    hairy, mask = add_hair(skin, np.random.default_rng(3), density=density, colour=colour)
    again, same_mask = add_hair(skin, np.random.default_rng(3), density=density, colour=colour)
    np.testing.assert_array_equal(hairy, again)
    np.testing.assert_array_equal(mask, same_mask)
    assert mask.any()
    assert not mask.all()
    change = np.abs(hairy.astype(int) - skin).max(axis=2)
    assert change[mask].mean() > 3 * change[~mask].mean()
    sign = 1 if colour == "light" else -1
    assert sign * (hairy[mask].mean() - hairy[~mask].mean()) > 5


def test_denser_hair_covers_more() -> None:
    skin = np.full((90, 120, 3), 180, dtype=np.uint8)
    shares = [
        np.mean([
            add_hair(skin, np.random.default_rng(n), density=density, colour="dark")[1].mean()
            for n in range(8)
        ])
        for density in ("sparse", "medium", "dense")
    ]  # fmt: skip
    assert shares[0] < shares[1] < shares[2]
