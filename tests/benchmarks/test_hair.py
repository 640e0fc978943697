"""The measuring of hair removal: its figures against scikit-image, its masks, its repeatability."""

from pathlib import Path

import numpy as np
import pytest
import skimage.metrics

from benchmarks.hair import CLONE, ORACLE, against_hand, measure, sheet
from benchmarks.hair_images import agreement, phantoms, psnr
from harmonic.images.decode import read_mask
from harmonic.images.hair import DEFAULT_METHOD

TRUTH = Path(__file__).parents[2] / "benchmarks/hair_truth"
ORIGINALS = Path(__file__).parents[3] / "shared/ham10000/ham10000-600x450-sample.zip"


def test_psnr_and_dice() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 256, size=(2, 30, 40, 3), dtype=np.uint8)
    wanted = skimage.metrics.peak_signal_noise_ratio(second, first)
    assert psnr(first, second) == pytest.approx(wanted)
    assert psnr(first, first) == 75.0
    found, truth = np.zeros((2, 10, 10), dtype=bool)
    found[:4], truth[2:5] = True, True
    assert agreement(found, truth) == pytest.approx(
        {"precision": 0.5, "recall": 2 / 3, "Dice": 4 / 7}
    )


def test_one_run_compares_all_methods_and_repeats() -> None:
    images = list(phantoms(2, seed=4))
    table, clean, cases = measure(images, 4, lambda _: None)
    again, _, _ = measure(images, 4, lambda _: None)
    assert table.equals(again)
    dark = table[table.hair == "dark"].set_index("method")
    (oracle,) = (name for name in dark.index if name.startswith(ORACLE))
    assert dark.loc[oracle, "Dice"] == 1.0
    assert dark.loc[oracle, "PSNR 64"] > dark.loc[CLONE, "PSNR 64"]
    assert dark.loc[DEFAULT_METHOD, "PSNR 64"] > dark.loc[CLONE, "PSNR 64"]
    assert clean.set_index("method").loc["none", "changed, %"] == 0.0
    assert sheet(cases).size == (1200, 300 * len(cases))


def test_the_masks_of_real_hair() -> None:
    masks = sorted(TRUTH.glob("hair_mask_*.png"))
    assert len(masks) == 20
    for path in masks:
        mask = read_mask(path)
        assert mask.shape == (450, 600)
        assert 0.003 < mask.mean() < 0.3
    hairless = (TRUTH / "hairless.txt").read_text(encoding="utf-8").split()
    assert len(hairless) == len(set(hairless)) > 50
    assert not set(hairless) & {path.stem.replace("hair_mask_", "ISIC_") for path in masks}


@pytest.mark.skipif(not ORIGINALS.exists(), reason="needs ../shared/ham10000")
def test_real_hair_is_found() -> None:
    table = against_hand(ORIGINALS, TRUTH).set_index("method")
    assert table.loc[DEFAULT_METHOD, "images"] == 20
    assert table.loc[DEFAULT_METHOD, "Dice"] > 0.85
    assert table.loc[DEFAULT_METHOD, "Dice"] > table.loc[CLONE, "Dice"] + 0.1
