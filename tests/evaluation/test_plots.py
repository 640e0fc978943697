import io
import re
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harmonic.errors import InputError
from harmonic.evaluation.plots import classification, drawing, pictures, training
from harmonic.evaluation.plots.pictures import GAP, SHEET_WIDTH

EPOCHS = np.arange(1, 6)
HISTORY = pd.DataFrame(
    {
        "epoch": EPOCHS,
        "lr": 1e-3,
        "train_loss": 2.0 / EPOCHS,
        "val_loss": 2.5 / EPOCHS,
        "val_balanced_accuracy": 1 - 1 / EPOCHS,
        "val_accuracy": 1 - 0.5 / EPOCHS,
        "val_macro_auc": 1 - 0.1 / EPOCHS,
    }
)
RATES = np.geomspace(1e-6, 1, 50)
LR_CURVE = pd.DataFrame(
    {
        "step": range(50),
        "lr": RATES,
        "loss": 2 - RATES + 50 * RATES**2,
        "smoothed_loss": 2 - RATES + 50 * RATES**2,
    }
)


@pytest.fixture(scope="module")
def drawings(drawn):
    """Every SVG drawing there is, as a function that draws it anew."""
    labels, balanced, natural = drawn.labels, drawn.balanced, drawn.natural
    energies = {"stem": np.arange(9.0).reshape(3, 3), "deep": np.eye(8)}
    return {
        "loss": lambda: training.loss_curves(HISTORY),
        "score": lambda: training.score_curves(HISTORY),
        "lr_range": lambda: training.lr_range_curve(LR_CURVE, {"suggested_lr": 1e-3}),
        "counts": lambda: classification.confusion_counts(labels, balanced),
        "rows": lambda: classification.confusion_rows(labels, balanced),
        "roc": lambda: classification.roc_curves(labels, balanced),
        "precision": lambda: classification.precision_recall_curves(labels, balanced),
        "reliability": lambda: classification.reliability_diagram(
            labels, {"before": balanced, "after": natural}
        ),
        "spectra": lambda: training.spectra(energies),
    }


@pytest.fixture(scope="module")
def svgs(drawings):
    return {name: draw() for name, draw in drawings.items()}


def test_the_same_input_gives_the_same_bytes_whatever_the_settings(drawings, svgs):
    before = dict(mpl.rcParams)
    with mpl.rc_context({"font.size": 30, "svg.hashsalt": None, "axes.facecolor": "red"}):
        again = {name: draw() for name, draw in drawings.items()}
    assert again == svgs
    assert dict(mpl.rcParams) == before


def test_drawings_are_svg_without_date_or_program(svgs):
    for name, svg in svgs.items():
        assert ElementTree.fromstring(svg).tag == "{http://www.w3.org/2000/svg}svg", name
        assert b"metadata" not in svg, name
        assert b"Matplotlib" not in svg, name


def test_an_inline_drawing_stands_alone_among_others(svgs):
    for svg in svgs.values():
        element = drawing.inline_svg(svg, "first", 'a "label" & more')
        root = ElementTree.fromstring(element)
        assert root.get("role") == "img"
        assert root.get("aria-label") == 'a "label" & more'
        assert "http" not in element
        assert "<style" not in element
        assert "currentColor" in element
        ids = re.findall(r'\bid="([^"]+)"', element)
        assert ids
        assert all(name.startswith("first-") for name in ids)
        assert set(re.findall(r"url\(#([^)]+)\)", element)) <= set(ids)
        assert set(re.findall(r'href="#([^"]+)"', element)) <= set(ids)


def test_confusion_counts_are_written_in_the_drawing(drawn):
    texts = texts_of(classification.confusion_counts(drawn.labels, drawn.balanced))
    nevi_right = np.sum((drawn.labels == 1) & (drawn.balanced.argmax(axis=1) == 1))
    assert str(nevi_right) in texts
    share = nevi_right / np.sum(drawn.labels == 1)
    assert f"{100 * share:.0f}" in texts_of(
        classification.confusion_rows(drawn.labels, drawn.balanced)
    )


def test_curves_say_the_area_and_leave_out_absent_classes(draw):
    drawn = draw(lesions=50, seed=3)
    some = drawn.labels < 2
    labels, balanced = drawn.labels[some], drawn.balanced[some]
    for svg in (
        classification.roc_curves(labels, balanced),
        classification.precision_recall_curves(labels, balanced),
    ):
        names = " ".join(texts_of(svg))
        assert "mel (A" in names
        assert "nv (A" in names
        assert "bcc" not in names


def test_one_image_and_one_epoch_can_be_drawn():
    row = np.full((1, 7), 1 / 7)
    for draw in (
        classification.confusion_counts,
        classification.confusion_rows,
        classification.roc_curves,
        classification.precision_recall_curves,
    ):
        assert draw(np.array([3]), row).startswith(b"<?xml")
    assert classification.reliability_diagram(np.array([3]), {"natural": row}).startswith(b"<?xml")
    assert training.loss_curves(HISTORY[:1]).startswith(b"<?xml")


def test_a_spectrum_is_written_in_per_cent_and_its_gaps_are_left_empty():
    energy = np.array([[6.0, 2.0], [2.0, np.nan]])
    texts = texts_of(training.spectra({"layer": energy}))
    assert "layer" in texts
    assert "60" in texts
    assert texts.count("20") == 2
    assert "nan" not in texts
    assert training.spectra({"dead": np.zeros((3, 3))}).startswith(b"<?xml")


def test_a_sheet_holds_the_pixels_of_its_pairs():
    random = np.random.default_rng(0)
    before, after = random.integers(0, 256, size=(2, 30, 40, 3), dtype=np.uint8)
    sheet = pictures.pair_sheet([(before, after), (before[:20, :20], after[:20, :20])])
    assert sheet == pictures.pair_sheet([(before, after), (before[:20, :20], after[:20, :20])])
    pixels = np.asarray(Image.open(io.BytesIO(sheet)))
    assert pixels.shape == (30 + GAP + 20, 40 + GAP + 40, 4)
    np.testing.assert_array_equal(pixels[:30, :40, :3], before)
    np.testing.assert_array_equal(pixels[:30, 40 + GAP :, :3], after)
    assert not pixels[:30, 40 : 40 + GAP, 3].any()


def test_large_photographs_are_shrunk_by_the_mean():
    large = np.zeros((450, 2 * SHEET_WIDTH, 3), dtype=np.uint8)
    large[:, 1::2] = 200
    pixels = np.asarray(Image.open(io.BytesIO(pictures.pair_sheet([(large, large)]))))
    assert pixels.shape == (225, 2 * SHEET_WIDTH + GAP, 4)
    assert np.all(pixels[:, :SHEET_WIDTH, :3] == 100)


def test_photographs_of_two_sizes_are_no_pair():
    with pytest.raises(InputError, match="must be equal"):
        pictures.pair_sheet([(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8))])


def texts_of(svg: bytes) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
