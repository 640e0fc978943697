"""The report of a run: one HTML file that needs nothing beside it, made of the figures given."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from harmonic.data.classes import CLASS_NAMES, CLASSES
from harmonic.errors import InputError
from harmonic.evaluation import plots
from harmonic.evaluation.bootstrap import QUANTILES
from harmonic.evaluation.metrics import per_class_table
from harmonic.evaluation.weighted import CALIBRATION_BINS
from harmonic.report.contents import (
    Case,
    HairPair,
    Kernels,
    Predictions,
    ReportContents,
)
from harmonic.report.figures import draw_figures
from harmonic.report.tables import (
    calibration_rows,
    confusion_cells,
    difference_rows,
    flat,
    headline_rows,
    lesion_rows,
    other_metrics,
    other_rule_rows,
    shared_lesions,
    shown,
    shown_table,
    split_table,
)

__all__ = [
    "Case",
    "HairPair",
    "Kernels",
    "Predictions",
    "ReportContents",
    "draw_figures",
    "render_card",
    "render_report",
]

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
    metrics, split = contents.metrics, contents.split
    headline = headline_rows(metrics)
    return template("report.html.j2", metrics).render(
        contents=contents,
        metrics=metrics,
        headline=headline,
        cards=[row for row in headline if row["name"] in CARDS],
        other_rule=other_rule_rows(metrics),
        other_metrics=other_metrics(metrics),
        interval_name=f"{100 * (QUANTILES[1] - QUANTILES[0]):.0f} %",
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
        hair=[
            {"name": pair.name, "source": source(plots.pair_sheet([(pair.before, pair.after)]))}
            for pair in contents.hair_pairs
        ],
        kernels=_kernels(contents.kernels),
        cases=[_case(case) for case in contents.cases],
        tables={
            name: shown_table(table)
            for name in ("per_class", "operating_points", "subgroups")
            if (table := getattr(contents, name)) is not None
        },
        lesion_level=lesion_rows(metrics),
        calibration=calibration_rows(metrics),
        differences=None if contents.comparison is None else difference_rows(contents.comparison),
    )


def render_card(contents: ReportContents) -> str:
    """The model card, Markdown (Mitchell et al. 2019), from the figures of the report.

    Raises InputError for metrics without balanced accuracy.
    """
    metrics = contents.metrics
    return template("model_card.md.j2", metrics).render(
        contents=contents,
        params=contents.params,
        metrics=metrics,
        headline=headline_rows(metrics),
        lesion_level=lesion_rows(metrics),
        class_names=CLASS_NAMES,
        fingerprint=dict(flat(contents.fingerprint)),
        tables={
            name: shown_table(table)
            for name in ("per_class", "operating_points", "subgroups")
            if (table := getattr(contents, name)) is not None
        },
    )


def template(name: str, metrics: Mapping[str, float]) -> Template:
    if "balanced_accuracy" not in metrics:
        raise InputError("report: metrics without balanced_accuracy; evaluate writes it")
    environment = Environment(
        loader=PackageLoader("harmonic.report", "templates"),
        autoescape=name.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    return environment.get_template(name)


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


def _kernels(kernels: Kernels | None) -> dict[str, str] | None:
    if kernels is None:
        return None
    fixed = plots.filter_sheet(kernels.fixed[:, None], columns=len(kernels.fixed))
    return {"learned": source(plots.filter_sheet(kernels.learned)), "fixed": source(fixed)}


def _case(case: Case) -> dict[str, Any]:
    heats = [case.for_answer] if case.for_truth is None else [case.for_answer, case.for_truth]
    return {
        "name": case.name,
        "truth": case.truth,
        "answer": case.answer,
        "confidence": case.confidence,
        "right": case.truth == case.answer,
        "source": source(plots.case_strip(case.image, heats)),
    }


def source(png: bytes) -> str:
    """A picture as the source of an img element."""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"


def _hosts(logs: Sequence[Mapping[str, Any]]) -> list[list[tuple[str, str]]]:
    """The different machines that the logs name, flattened, in the order they come."""
    hosts: list[list[tuple[str, str]]] = []
    for log in logs:
        host = flat(log.get("host") or {})
        if host and host not in hosts:
            hosts.append(host)
    return hosts
