import re
from dataclasses import fields, replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import (
    lesion_metrics,
    metrics_document,
    per_class_document,
    resampled_weights,
)
from harmonic.evaluation.comparison import Pair
from harmonic.evaluation.metrics import uncalibrated_metrics
from harmonic.evaluation.operating_points import operating_points
from harmonic.evaluation.paired import STATISTICS, paired_difference
from harmonic.report.render import (
    Case,
    HairPair,
    Kernels,
    Predictions,
    ReportContents,
    draw_figures,
    render_card,
    render_report,
)

VOID = {"meta", "link", "br", "img", "hr", "input", "col"}


class Page(HTMLParser):
    """Checks that elements are closed in order, and collects attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str, str | None]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.attributes += [(tag, name, value) for name, value in attrs]

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> without a start"
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)

    def all(self, name: str) -> list[str]:
        return [value or "" for _, found, value in self.attributes if found == name]


@pytest.fixture(scope="module")
def contents(draw):
    drawn = draw(lesions=60, seed=11)
    few = {"resamples": 50, "seed": 0}
    answers = Answers(*drawn)
    of_test = (answers, resampled_weights(answers.labels, answers.lesions, **few))
    metrics = metrics_document(*of_test) | lesion_metrics(*of_test)
    metrics |= uncalibrated_metrics(drawn.labels, drawn.balanced)
    difference = paired_difference(
        drawn.labels,
        drawn.lesions,
        drawn.natural[None],
        drawn.balanced[None],
        STATISTICS["balanced_accuracy"],
        **few,
    )
    random = np.random.default_rng(0)
    epochs = np.arange(1, 4)
    rates = np.geomspace(1e-5, 1, 20)
    count = len(drawn.labels)
    return ReportContents(
        metrics=metrics | {"temperature": 1.2345},
        predictions=Predictions(drawn.labels, drawn.balanced, drawn.natural, drawn.balanced),
        params={"source": "archive", "model": "harmonic", "train": {"network": "small"}},
        commit="0123456789abcdef0123456789abcdef01234567",
        fingerprint={"images": 12, "digests": {"metadata": "ab" * 32}},
        logs=[
            {"stage": "download", "seconds": 1.25, "host": {"cpu": "two cores"}},
            {"stage": "train", "seconds": 61.0, "host": {"cpu": "two cores"}},
            {"stage": "evaluate"},
        ],
        split=pd.DataFrame(
            {
                "image_id": [f"ISIC_{n:07d}" for n in range(count)],
                "lesion_id": drawn.lesions,
                "dx": np.array(CLASSES)[drawn.labels],
                "split": np.where(np.char.endswith(drawn.lesions, "0"), "train", "test"),
            }
        ),
        history=pd.DataFrame(
            {
                "epoch": epochs,
                "train_loss": 1 / epochs,
                "val_loss": 1 / epochs,
                "val_balanced_accuracy": 0.2 * epochs,
            }
        ),
        lr_curve=pd.DataFrame({"lr": rates, "loss": 1 + rates, "smoothed_loss": 1 + rates}),
        lr_suggestion={"suggested_lr": 1e-3},
        spectra={"stem": random.random((3, 3))},
        hair_pairs=[HairPair("ISIC_0000001", *np.zeros((2, 8, 8, 3), dtype=np.uint8))],
        kernels=Kernels(random.normal(size=(5, 3, 3, 3)), random.normal(size=(9, 3, 3))),
        cases=[
            Case(
                name="ISIC_0000002",
                truth="mel",
                answer="nv",
                confidence=0.875,
                image=np.zeros((8, 8, 3), dtype=np.uint8),
                for_answer=random.random((8, 8)),
                for_truth=random.random((8, 8)),
            )
        ],
        per_class=per_class_document(*of_test),
        operating_points=operating_points(drawn.labels, drawn.balanced, *of_test),
        comparison=Pair(
            reference="baseline cnn",
            arm="this run",
            seeds=(0,),
            lesions=60,
            differences={"balanced_accuracy": difference},
            only_one_right=None,
            judged=None,
            verdict="no difference can be shown",
        ),
        subgroups=pd.DataFrame({"group": ["<male>"], "n": [1234], "accuracy": [np.nan]}),
    )


@pytest.fixture(scope="module")
def html(contents):
    return render_report(contents)


def test_the_page_is_well_formed_and_its_ids_are_single(html):
    page = Page(html)
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    anchors = [value[1:] for value in page.all("href") if value.startswith("#")]
    assert set(anchors) <= set(ids)
    assert set(page.all("aria-labelledby")) <= set(ids)
    assert html.startswith("<!DOCTYPE html>\n<html lang=")


def test_the_page_asks_nothing_of_the_network(html):
    assert not re.search(r"https?://|@import|<script|<link|<iframe", html)
    page = Page(html)
    for source in page.all("src"):
        assert source.startswith("data:image/png;base64,")
    for target in (*page.all("href"), *page.all("xlink:href")):
        assert target.startswith("#")
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))


def test_tables_and_pictures_can_be_heard(html):
    page = Page(html)
    assert html.count("<table") == html.count("<caption")
    assert all(
        name == "scope" for tag, name, _ in page.attributes if tag == "th" if name != "class"
    )
    assert html.count("<th ") == page.all("scope").count("row") + page.all("scope").count("col")
    assert "<th>" not in html
    assert html.count("<img") == len([value for value in page.all("alt") if value])
    drawings = html.count("<svg ")
    assert drawings == len(
        [tag for tag, name, _ in page.attributes if (tag, name) == ("svg", "role")]
    )


def test_every_figure_given_is_shown(contents, html):
    text = " ".join(Page(html).text)
    for name in ("balanced_accuracy", "macro_f1", "macro_auc", "accuracy", "weighted_precision"):
        for suffix in ("", "_low", "_high"):
            assert f"{contents.metrics[name + suffix]:.3f}" in text, name + suffix
    assert f"{contents.metrics['majority_accuracy']:.3f}" in text
    for given in (
        *("Not a medical device", contents.commit, "train.network", "small", "digests.metadata"),
        *("ab" * 32, "two cores", "61.0", "1.234", "<male>", "1,234", "ISIC_0000001", "stem"),
        *("ISIC_0000002", "mel, taken for nv", "0.875", "baseline cnn", "wanted specificity"),
        *("No difference can be shown", f"{contents.metrics['lesion_balanced_accuracy']:.3f}"),
        *(f"{contents.metrics['ece_uncalibrated']:.3f}", f"{contents.per_class.auc_low[1]:.3f}"),
    ):
        assert given in text, given
    assert text.count("two cores") == 1


def test_a_changed_prediction_changes_the_page(contents):
    balanced = contents.predictions.balanced.copy()
    balanced[0] = np.roll(balanced[0], 1)
    predictions = replace(contents.predictions, balanced=balanced)
    page = render_report(ReportContents(metrics=contents.metrics, predictions=predictions))
    same = ReportContents(metrics=contents.metrics, predictions=contents.predictions)
    assert tables(page) != tables(render_report(same))


def test_a_changed_metric_changes_the_page(contents):
    metrics = dict(contents.metrics) | {"balanced_accuracy": 0.98765}
    assert "0.988" in render_report(ReportContents(metrics=metrics))
    assert "0.988" not in render_report(ReportContents(metrics=contents.metrics))


def test_the_card_shows_the_figures_of_the_report(contents):
    card = render_card(contents)
    for name in ("balanced_accuracy", "macro_auc", "accuracy", "ece", "lesion_accuracy"):
        for end in ("", "_low", "_high"):
            assert f"{contents.metrics[name + end]:.3f}" in card, name + end
    assert f"{contents.per_class.sensitivity_low[1]:.3f}" in card
    assert "Not a medical device" in card
    assert "CC BY-NC 4.0" in card
    changed = dict(contents.metrics) | {"balanced_accuracy": 0.98765}
    assert "| Balanced accuracy | 0.988" in render_card(replace(contents, metrics=changed))
    assert "| Balanced accuracy | 0.988" not in card
    assert "drawn by a program" in render_card(replace(contents, params={"source": "sample"}))
    render_card(ReportContents(metrics={"balanced_accuracy": 0.5}))


def test_the_same_contents_give_the_same_page(contents, html):
    assert render_report(contents) == html


def test_every_part_but_the_metrics_may_be_missing(contents):
    page = Page(render_report(ReportContents(metrics={"balanced_accuracy": 0.5})))
    assert "0.500" in " ".join(page.text)
    for part in fields(ReportContents):
        if part.name != "metrics":
            given = {part.name: getattr(contents, part.name)}
            Page(render_report(ReportContents(metrics=contents.metrics, **given)))


def test_metrics_without_the_headline_are_refused():
    with pytest.raises(InputError, match="balanced_accuracy"):
        render_report(ReportContents(metrics={"accuracy": 0.5}))


def test_lesions_in_two_parts_are_called_out(contents, html):
    assert "none stands in more than one" in html
    split = contents.split.copy()
    twice = split["lesion_id"].duplicated(keep=False)
    split.loc[twice[twice].index[0], "split"] = "val"
    page = render_report(ReportContents(metrics=contents.metrics, split=split))
    assert re.search(r"Here 1 lesions? stands? in more than one part", page)


def test_phantoms_are_called_phantoms(contents, html):
    sample = render_report(ReportContents(contents.metrics, params={"source": "sample"}))
    assert "drawn by a program" in sample
    assert "HAM10000" not in sample
    assert "drawn by a program" not in html
    assert "HAM10000" in html


def test_what_comes_from_outside_is_escaped(contents):
    note = {"note": "<script>alert(1)</script>"}
    page = render_report(ReportContents(contents.metrics, params=note))
    assert "alert(1)" in page
    assert "<script" not in page


def test_the_figures_are_files_of_their_own(contents):
    files = draw_figures(contents)
    assert set(files) == {
        *("loss.svg", "score.svg", "lr_range.svg", "confusion_counts.svg", "confusion_rows.svg"),
        *("roc.svg", "precision_recall.svg", "reliability.svg", "spectra.svg", "hair.png"),
    }
    for name, content in files.items():
        assert content.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")
    assert draw_figures(ReportContents(metrics=contents.metrics)) == {}


def tables(html: str) -> list[str]:
    return re.findall(r"<table.*?</table>", html, flags=re.DOTALL)
