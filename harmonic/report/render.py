"""The report of a run: one HTML file that needs nothing beside it, made of the figures given."""

import base64
from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harmonic.data.classes import CLASS_NAMES, CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.bootstrap import QUANTILES, natural_of
from harmonic.evaluation.metrics import BALANCED_METRICS
from harmonic.evaluation.plots import classification, drawing, pictures, training
from harmonic.evaluation.rules import uncalibrated_rule
from harmonic.evaluation.weighted import CALIBRATION_BINS
from harmonic.markdown import markdown_text
from harmonic.report.contents import ReportContents
from harmonic.report.tables import (
    MEANINGS,
    confusion_cells,
    flat,
    made_worse,
    other_metrics,
    shared_lesions,
    shown,
    shown_table,
    split_table,
    whole_parameters,
)

TITLES = {
    "harmonic": "Harmonic network on dermoscopy images",
    "cnn": "Network of ordinary convolutions on dermoscopy images",
}
"""By the parameter `model`."""

CARDS = ("balanced_accuracy", "macro_auc", "accuracy", "ece")
"""The metrics that stand in large type at the head of the page."""

LABELS = {
    "loss": "Loss over the epochs",
    "score": "Validation scores over the epochs",
    "lr_range": "Loss over the learning rate",
    "roc": "ROC curve of each class",
    "precision_recall": "Precision over recall of each class",
    "reliability": "Accuracy over confidence",
    "spectra": "Share of energy in each frequency, a panel for each layer",
}
"""What a screen reader says of each drawing that stands on the page."""


def draw_figures(contents: ReportContents) -> dict[str, bytes]:
    """File name -> bytes of every figure, for reports/plots/.

    loss.svg, score.svg (history); lr_range.svg; spectra.svg; hair.png, a row for each pair, if
    there is one; and of the predictions confusion_counts.svg, confusion_rows.svg, roc.svg,
    precision_recall.svg (all under the balanced rule) and reliability.svg (natural rule).
    """
    found = contents.answers
    labels, balanced, temperature = found.labels, found.balanced, contents.metrics["temperature"]
    uncalibrated = uncalibrated_rule(balanced, found.class_counts or (), temperature)
    calibration = {"before": uncalibrated, "after calibration": natural_of(found)}
    suggestion = contents.lr_suggestion.items()
    rates = {name: rate for name, rate in suggestion if rate is not None}
    figures = {
        "loss.svg": training.loss_curves(contents.history),
        "score.svg": training.score_curves(contents.history),
        "lr_range.svg": training.lr_range_curve(contents.lr_curve, rates),
        "confusion_counts.svg": classification.confusion_counts(labels, balanced),
        "confusion_rows.svg": classification.confusion_rows(labels, balanced),
        "roc.svg": classification.roc_curves(labels, balanced),
        "precision_recall.svg": classification.precision_recall_curves(labels, balanced),
        "reliability.svg": classification.reliability_diagram(labels, calibration),
        "spectra.svg": training.spectra(contents.spectra),
    }
    if pairs := [(pair.before, pair.after) for pair in contents.hair_pairs]:
        figures["hair.png"] = pictures.pair_sheet(pairs)
    return figures


def render_report(contents: ReportContents, figures: Mapping[str, bytes]) -> str:
    """The whole HTML page, the same for the same contents, with the figures of `draw_figures`.

    Raises InputError for metrics without balanced accuracy, and images that cannot be drawn.
    """
    found, (learned, fixed) = contents.answers, contents.kernels
    history, (other_model,) = contents.history, TITLES.keys() - {contents.params["model"]}
    return rendered(
        "report.html.j2",
        **shared_values(contents),
        cards=CARDS,
        best_epoch=int(history.epoch[history.val_balanced_accuracy.idxmax()]),
        parameters=whole_parameters(contents.tables["compression"]),
        other_model=other_model,
        worse=made_worse(contents.metrics),
        other_metrics=other_metrics(contents.metrics),
        interval_name=f"{100 * (QUANTILES[1] - QUANTILES[0]):.0f} %",
        bins=CALIBRATION_BINS,
        classes=CLASSES,
        split=split_table(contents.split),
        shared_lesions=shared_lesions(contents.split),
        drawings={
            name: drawing.inline_svg(figures[f"{name}.svg"], name, label)
            for name, label in LABELS.items()
        },
        confusion=[
            {"rule": "balanced", "rows": confusion_cells(found.labels, found.balanced)},
            {"rule": "natural", "rows": confusion_cells(found.labels, natural_of(found))},
        ],
        hair=[
            (pair.name, source(pictures.pair_sheet([(pair.before, pair.after)])))
            for pair in contents.hair_pairs
        ],
        learned=source(pictures.filter_sheet(learned)),
        fixed=source(pictures.filter_sheet(fixed[:, None], columns=len(fixed))),
        cases=[
            (case, source(pictures.case_strip(case.image, case.heats))) for case in contents.cases
        ],
    )


def render_card(contents: ReportContents) -> str:
    """The model card, Markdown (Mitchell et al. 2019); raises InputError as `render_report`."""
    return rendered("model_card.md.j2", **shared_values(contents))


def shared_values(contents: ReportContents) -> dict[str, Any]:
    """What both templates show."""
    if "balanced_accuracy" not in contents.metrics:
        raise InputError("report: metrics without balanced_accuracy; evaluate writes it")
    metrics = contents.metrics
    return {
        "title": TITLES[contents.params["model"]],
        "contents": contents,
        "metrics": metrics,
        "params": contents.params,
        "flat_params": flat(contents.params),
        "fingerprint": dict(flat(contents.fingerprint)),
        "class_names": CLASS_NAMES,
        "meanings": {name: said for name, said in MEANINGS.items() if name in metrics},
        "rules": dict.fromkeys(MEANINGS, "natural") | dict.fromkeys(BALANCED_METRICS, "balanced"),
        "tables": {name: shown_table(table) for name, table in contents.tables.items()},
    }


def rendered(name: str, **values: Any) -> str:
    environment = Environment(
        loader=PackageLoader("harmonic.report", "templates"),
        autoescape=name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["text"] = markdown_text
    environment.filters["shown"] = shown
    if not environment.autoescape:
        environment.filters["shown"] = lambda value: markdown_text(shown(value))
    return environment.get_template(name).render(**values)


def source(png: bytes) -> str:
    """A picture as the source of an img element."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
