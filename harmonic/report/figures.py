"""The figures of a report, each drawn from the part of its contents that it needs."""

from harmonic.evaluation import plots
from harmonic.report.contents import Predictions, ReportContents


def draw_figures(contents: ReportContents) -> dict[str, bytes]:
    """File name -> bytes of every figure that the contents suffice for, for reports/plots/.

    loss.svg, score.svg (history); lr_range.svg; spectra.svg; hair.png, a row for each pair; and of
    the predictions confusion_counts.svg, confusion_rows.svg, roc.svg, precision_recall.svg (all
    under the balanced rule) and reliability.svg (natural rule).
    """
    figures = {}
    if contents.history is not None:
        figures["loss.svg"] = plots.loss_curves(contents.history)
        figures["score.svg"] = plots.score_curves(contents.history)
    if contents.lr_curve is not None:
        figures["lr_range.svg"] = plots.lr_range_curve(contents.lr_curve, contents.lr_suggestion)
    if contents.predictions is not None:
        figures |= _of_predictions(contents.predictions)
    if contents.spectra:
        figures["spectra.svg"] = plots.spectra(contents.spectra)
    if contents.hair_pairs:
        pairs = [(pair.before, pair.after) for pair in contents.hair_pairs]
        figures["hair.png"] = plots.pair_sheet(pairs)
    return figures


def _of_predictions(predictions: Predictions) -> dict[str, bytes]:
    labels, balanced = predictions.labels, predictions.balanced
    calibration = {"natural rule": predictions.natural}
    if predictions.uncalibrated is not None:
        calibration = {
            "before": predictions.uncalibrated,
            "after temperature scaling": predictions.natural,
        }
    return {
        "confusion_counts.svg": plots.confusion_counts(labels, balanced),
        "confusion_rows.svg": plots.confusion_rows(labels, balanced),
        "roc.svg": plots.roc_curves(labels, balanced),
        "precision_recall.svg": plots.precision_recall_curves(labels, balanced),
        "reliability.svg": plots.reliability_diagram(labels, calibration),
    }
