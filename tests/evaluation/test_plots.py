import io
import re
import xml.etree.ElementTree as ElementTree

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harmonic.errors import InputError
from harmonic.evaluation import plots
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
        "loss": lambda: plots.loss_curves(HISTORY),
        "score": lambda: plots.score_curves(HISTORY),
        "lr_range": lambda: plots.lr_range_curve(LR_CURVE, {"suggested_lr": 1e-3}),
        "counts": lambda: plots.confusion_counts(labels, balanced),
        "rows": lambda: plots.confusion_rows(labels, balanced),
        "roc": lambda: plots.roc_curves(labels, balanced),
        "precision": lambda: plots.precision_recall_curves(labels, balanced),
        "reliability": lambda: plots.reliability_diagram(
            labels, {"before": balanced, "after": natural}
        ),
        "spectra": lambda: plots.spectra(energies),
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
        element = plots.inline_svg(svg, "first", 'a "label" & more')
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
    texts = texts_of(plots.confusion_counts(drawn.labels, drawn.balanced))
    nevi_right = np.sum((drawn.labels == 1) & (drawn.balanced.argmax(axis=1) == 1))
    assert str(nevi_right) in texts
    share = nevi_right / np.sum(drawn.labels == 1)
    assert f"{100 * share:.0f}" in texts_of(plots.confusion_rows(drawn.labels, drawn.balanced))


def test_curves_say_the_area_and_leave_out_absent_classes(draw):
    drawn = draw(lesions=50, seed=3)
    some = drawn.labels < 2
    labels, balanced = drawn.labels[some], drawn.balanced[some]
    for svg in (
        plots.roc_curves(labels, balanced),
        plots.precision_recall_curves(labels, balanced),
    ):
        names = " ".join(texts_of(svg))
        assert "mel (A" in names
        assert "nv (A" in names
        assert "bcc" not in names


def test_one_image_and_one_epoch_can_be_drawn():
    row = np.full((1, 7), 1 / 7)
    for draw in (
        plots.confusion_counts,
        plots.confusion_rows,
        plots.roc_curves,
        plots.precision_recall_curves,
    ):
        assert draw([3], row).startswith(b"<?xml")
    assert plots.reliability_diagram([3], {"natural": row}).startswith(b"<?xml")
    assert plots.loss_curves(HISTORY[:1]).startswith(b"<?xml")


def test_a_spectrum_is_written_in_per_cent_and_its_gaps_are_left_empty():
    energy = np.array([[6.0, 2.0], [2.0, np.nan]])
    texts = texts_of(plots.spectra({"layer": energy}))
    assert "layer" in texts
    assert "60" in texts
    assert texts.count("20") == 2
    assert "nan" not in texts
    assert plots.spectra({"dead": np.zeros((3, 3))}).startswith(b"<?xml")


def test_a_sheet_holds_the_pixels_of_its_pairs():
    random = np.random.default_rng(0)
    before, after = random.integers(0, 256, size=(2, 30, 40, 3), dtype=np.uint8)
    sheet = plots.pair_sheet([(before, after), (before[:20, :20], after[:20, :20])])
    assert sheet == plots.pair_sheet([(before, after), (before[:20, :20], after[:20, :20])])
    pixels = np.asarray(Image.open(io.BytesIO(sheet)))
    assert pixels.shape == (30 + GAP + 20, 40 + GAP + 40, 4)
    np.testing.assert_array_equal(pixels[:30, :40, :3], before)
    np.testing.assert_array_equal(pixels[:30, 40 + GAP :, :3], after)
    assert not pixels[:30, 40 : 40 + GAP, 3].any()


def test_large_photographs_are_shrunk_by_the_mean():
    large = np.zeros((450, 2 * SHEET_WIDTH, 3), dtype=np.uint8)
    large[:, 1::2] = 200
    pixels = np.asarray(Image.open(io.BytesIO(plots.pair_sheet([(large, large)]))))
    assert pixels.shape == (225, 2 * SHEET_WIDTH + GAP, 4)
    assert np.all(pixels[:, :SHEET_WIDTH, :3] == 100)


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plots.loss_curves(HISTORY.drop(columns="val_loss")), "history: val_loss missing"),
        (lambda: plots.loss_curves(HISTORY[:0]), "history: rows missing"),
        (lambda: plots.lr_range_curve(LR_CURVE.drop(columns="lr"), {}), "lr missing"),
        (lambda: plots.spectra({}), "spectra: no layer"),
        (lambda: plots.spectra({"a": -np.eye(3)}), "spectrum of a"),
        (lambda: plots.pair_sheet([]), "picture pairs: none"),
        (lambda: plots.pair_sheet([(np.zeros((2, 2, 3)),) * 2]), "picture: float64"),
        (
            lambda: plots.pair_sheet(
                [(np.zeros((2, 2, 3), np.uint8), np.zeros((2, 3, 3), np.uint8))]
            ),
            "must be equal",
        ),
        (lambda: plots.roc_curves([0], np.full((1, 7), np.nan)), "is nan"),
    ],
)
def test_what_cannot_be_drawn_is_refused(draw, message):
    with pytest.raises(InputError, match=message):
        draw()


def texts_of(svg: bytes) -> list[str]:
    root = ElementTree.fromstring(svg)
    return ["".join(text.itertext()) for text in root.iter("{http://www.w3.org/2000/svg}text")]
