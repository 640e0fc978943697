"""The report of a run: one HTML file that needs nothing beside it, made of the figures given."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from harmonic.data.classes import CLASS_NAMES, CLASSES
from harmonic.errors import InputError
from harmonic.evaluation import plots
from harmonic.evaluation.bootstrap import QUANTILES
from harmonic.evaluation.metrics import CALIBRATION_BINS, per_class_table
from harmonic.evaluation.report_contents import HairPair, Predictions, ReportContents
from harmonic.evaluation.report_figures import draw_figures
from harmonic.evaluation.report_tables import (
    confusion_cells,
    flat,
    headline_rows,
    other_metrics,
    other_rule_rows,
    shared_lesions,
    shown,
    split_table,
)

__all__ = ["HairPair", "Predictions", "ReportContents", "draw_figures", "render_report"]

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


def render_report(contents: ReportContents) -> str:
    """The whole HTML page, the same for the same contents.

    Raises InputError for metrics without balanced accuracy, and for tables, images or predictions
    that the figures cannot be drawn from.
    """
    if "balanced_accuracy" not in contents.metrics:
        raise InputError("report: metrics without balanced_accuracy; evaluate writes it")
    environment = Environment(
        loader=PackageLoader("harmonic.evaluation", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    metrics, split = contents.metrics, contents.split
    headline = headline_rows(metrics)
    return environment.get_template("report.html.j2").render(
        contents=contents,
        metrics=metrics,
        headline=headline,
        cards=[row for row in headline if row["name"] in CARDS],
        other_rule=other_rule_rows(metrics),
        other_metrics=other_metrics(metrics),
        interval=f"{100 * (QUANTILES[1] - QUANTILES[0]):.0f} %",
        bins=CALIBRATION_BINS,
        classes=CLASSES,
        class_names=CLASS_NAMES,
        params=flat(contents.params),
        fingerprint=flat(contents.fingerprint),
        hosts=_hosts(contents.logs),
        split=None if split is None else split_table(split),
        shared_lesions=None if split is None else shared_lesions(split),
        drawings=_drawings(contents),
        answers=None if contents.predictions is None else _answers(contents.predictions),
        hair=[{"name": pair.name, "source": _png_source(pair)} for pair in contents.hair_pairs],
    )


def _drawings(contents: ReportContents) -> dict[str, str]:
    """Name -> SVG element of every drawing of LABELS that there is."""
    files = draw_figures(contents)
    return {
        name: plots.inline_svg(files[f"{name}.svg"], name, label)
        for name, label in LABELS.items()
        if f"{name}.svg" in files
    }


def _answers(predictions: Predictions) -> dict[str, Any]:
    """The tables that need the answer for every test image."""
    labels = predictions.labels
    return {
        "confusion": [
            {"rule": "balanced", "rows": confusion_cells(labels, predictions.balanced)},
            {"rule": "natural", "rows": confusion_cells(labels, predictions.natural)},
        ],
        "per_class": per_class_table(labels, predictions.balanced).to_dict("records"),
    }


def _png_source(pair: HairPair) -> str:
    encoded = base64.b64encode(plots.pair_sheet([(pair.before, pair.after)])).decode()
    return f"data:image/png;base64,{encoded}"


def _hosts(logs: Sequence[Mapping[str, Any]]) -> list[list[tuple[str, str]]]:
    """The different machines that the logs name, flattened, in the order they come."""
    hosts: list[list[tuple[str, str]]] = []
    for log in logs:
        host = flat(log.get("host") or {})
        if host and host not in hosts:
            hosts.append(host)
    return hosts
