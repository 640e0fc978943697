"""The page and the card: whole, heard as well as seen, and of the figures given."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from harmonic.errors import InputError
from harmonic.evaluation.difference import Difference
from harmonic.evaluation.weighted import STATISTICS
from harmonic.report.contents import ReportContents
from harmonic.report.render import draw_figures, render_card, render_report
from harmonic.report.tables import MEANINGS

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
def figures(contents):
    return draw_figures(contents)


@pytest.fixture(scope="module")
def html(contents, figures):
    return render_report(contents, figures)


@pytest.fixture(scope="module")
def changed(contents, figures):
    """The page of the contents, some of them changed, with the same drawings."""

    def render(**parts):
        return render_report(replace(contents, **parts), figures)

    return render


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
        *("Not a medical device", "train.network", "small", "digests.metadata"),
        *("ab" * 32, "1.234", "<male>", "1,234", "ISIC_0000001", "stem"),
        *("ISIC_0000002", "mel, taken for nv", "0.875", "baseline cnn", "wanted specificity"),
        *("No difference can be shown", f"{contents.metrics['lesion_balanced_accuracy']:.3f}"),
        *(
            f"{contents.metrics['ece_uncalibrated']:.3f}",
            f"{contents.tables['per_class'].auc_low[1]:.3f}",
        ),
    ):
        assert given in text, given


def test_a_changed_prediction_changes_the_page(contents, changed, html):
    balanced = contents.answers.balanced.copy()
    balanced[0] = np.roll(balanced[0], 1)
    answers = replace(contents.answers, balanced=balanced)
    assert tables(changed(answers=answers)) != tables(html)


def test_a_changed_metric_changes_the_page(contents, changed, html):
    metrics = dict(contents.metrics) | {"balanced_accuracy": 0.98765}
    assert '<td class="value">0.988' in changed(metrics=metrics)
    assert '<td class="value">0.988' not in html


def test_the_card_shows_the_figures_of_the_report(contents):
    card = render_card(contents)
    for name in ("balanced_accuracy", "macro_auc", "accuracy", "ece", "lesion_accuracy"):
        for end in ("", "_low", "_high"):
            assert f"{contents.metrics[name + end]:.3f}" in card, name + end
    assert f"{contents.tables['per_class'].sensitivity_low[1]:.3f}" in card
    assert "Not a medical device" in card
    assert "CC BY-NC 4.0" in card
    metrics = dict(contents.metrics) | {"balanced_accuracy": 0.98765}
    assert "| Balanced accuracy | 0.988" in render_card(replace(contents, metrics=metrics))
    assert "| Balanced accuracy | 0.988" not in card
    assert "drawn by a program" in render_card(of_the_sample(contents))


def test_values_of_tables_are_text_on_the_card_and_on_the_page(contents):
    bad = "<img src=x onerror=alert(1)>|[a](b)\n# new\x1b[31m"
    tables = dict(contents.tables)
    tables["subgroups"] = tables["subgroups"].assign(value=bad, **{bad: 0.5})
    fingerprint = dict(contents.fingerprint) | {"identity": {"verdict": bad}}
    spoilt = replace(contents, tables=tables, fingerprint=fingerprint, doubts=[bad])
    card, plain = render_card(spoilt), render_card(replace(contents, doubts=["x"]))
    assert "&lt;img src=x" in card
    assert "<img" not in card
    assert "<img src=x" not in render_report(spoilt, draw_figures(spoilt))
    assert card.replace("\n", "").isprintable()
    assert len(card.splitlines()) == len(plain.splitlines()) + 1  # the verdict's
    rows = [line for line in card.splitlines() if "onerror" in line and line.startswith("|")]
    assert len({row.count("|") - row.count("\\|") for row in rows}) == 1


def of_the_sample(contents: ReportContents) -> ReportContents:
    return replace(contents, params={**contents.params, "source": "sample"})


def test_the_same_contents_give_the_same_page(contents, html):
    assert render_report(contents, draw_figures(contents)) == html


def test_what_a_run_may_lack_is_left_out(contents, changed):
    """No hair found, no baseline named, no case at hand."""
    page = Page(changed(hair_pairs=(), comparison=None, cases=()))
    assert "Hair removal" not in page.text
    assert "Against the baseline" not in page.text
    assert "Harmonic or plain?" in page.text
    assert "hair.png" not in draw_figures(replace(contents, hair_pairs=()))


@pytest.mark.parametrize(
    ("model", "heading", "other"),
    [
        ("harmonic", "Harmonic network", "cnn"),
        ("cnn", "Network of ordinary convolutions", "harmonic"),
    ],
)
def test_heading_and_first_lines_say_what_was_run(contents, changed, model, heading, other):
    page = changed(params={**contents.params, "model": model}, comparison=None)
    head, rest = page.split("</header>")
    assert f"<h1>{heading} on dermoscopy images</h1>" in head
    for words in ("76,543 parameters", "3 epochs (number 3 was kept)", "rate 0.0025, seed 4"):
        assert words in head
    assert f"dvc exp run --name baseline-{other} -S model={other}<" in rest
    assert f"dvc exp run -S model={model} -S report.baseline=baseline-{other}<" in rest
    assert heading in render_card(replace(contents, params={**contents.params, "model": model}))


BRIER_AND_LOSS = ("brier", "brier_uncalibrated", "log_loss", "log_loss_uncalibrated")


def test_calibration_that_got_worse_is_said(contents, changed):
    better = {"ece": 0.1, "ece_uncalibrated": 0.2} | dict.fromkeys(BRIER_AND_LOSS, 0.1)
    metrics = dict(contents.metrics) | better
    assert "Made worse by it" not in changed(metrics=metrics)
    worse = changed(metrics=metrics | {"brier": 0.3})
    assert "Made worse by it on the test set: Brier score." in worse


def test_guessing_is_not_shown_as_perfectly_calibrated(html):
    cards = html.split('<div class="cards">')[1].split("</div>\n</div>")[0].split('class="card"')
    (ece,) = [card for card in cards if "Calibration error" in card]
    assert "without looking" not in ece
    assert "without looking" in cards[1]


def test_smaller_files_are_shown_with_what_they_cost(html):
    text = Page(html).text
    assert {"int8", "345,678", "91,011"} <= {part.strip() for part in text}


def test_what_the_exact_test_is_against_is_said_of_every_figure(contents, changed):
    """As `compare` says it; here of a figure that is not the one of the verdict."""
    seems = Difference(
        *(np.array([0.5]), np.array([0.6]), np.linspace(0.05, 0.15, 100)),
        differing=9, exact=lambda: 0.25,
    )  # fmt: skip
    pair = replace(
        contents.comparison, differences=contents.comparison.differences | {"ece": seems}
    )
    text = " ".join(" ".join(Page(changed(comparison=pair)).text).split())
    assert "Nothing is told of ece: the exact test does not agree (p = 0.25)." in text
    assert "Nothing is told of balanced accuracy" not in text


def test_the_page_names_the_figures_that_the_baseline_had(changed):
    """It is no dependency of DVC, so the page may be older than what its name stands for now."""
    text = " ".join(" ".join(Page(changed(baseline_md5="0af1" * 8)).text).split())
    assert f"had the MD5 {'0af1' * 8} when" in text


def test_metrics_without_the_headline_are_refused(changed):
    with pytest.raises(InputError, match="balanced_accuracy"):
        changed(metrics={"accuracy": 0.5})


def test_lesions_in_two_parts_are_called_out(contents, changed, html):
    assert "none stands in more than one" in html
    split = contents.split.copy()
    twice = split["lesion_id"].duplicated(keep=False)
    split.loc[twice[twice].index[0], "split"] = "val"
    assert re.search(r"Here 1 lesions? stands? in more than one part", changed(split=split))


def test_phantoms_are_called_phantoms(contents, figures, html):
    sample = render_report(of_the_sample(contents), figures)
    assert "drawn by a program" in sample
    assert "HAM10000" not in sample
    assert "drawn by a program" not in html
    assert "HAM10000" in html


def test_what_comes_from_outside_is_escaped(contents, changed):
    note = {"note": "<script>alert(1)</script>"}
    page = changed(params={**contents.params, **note})
    assert "alert(1)" in page
    assert "<script" not in page


def test_the_figures_are_files_of_their_own(figures):
    assert set(figures) == {
        *("loss.svg", "score.svg", "lr_range.svg", "confusion_counts.svg", "confusion_rows.svg"),
        *("roc.svg", "precision_recall.svg", "reliability.svg", "spectra.svg", "hair.png"),
    }
    for name, content in figures.items():
        assert content.startswith(b"\x89PNG" if name.endswith("png") else b"<?xml")


def tables(html: str) -> list[str]:
    return re.findall(r"<table.*?</table>", html, flags=re.DOTALL)


def test_every_metric_is_told_with_its_meaning() -> None:
    assert MEANINGS.keys() == STATISTICS.keys()
