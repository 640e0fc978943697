"""Evaluate: the only stage that reads the test set.

models/model.safetensors,  ->  reports/metrics.json              with 95 % intervals
data/images.npy,               reports/predictions.csv           balanced rule, ISIC 2018 form
data/index.csv,                reports/predictions_natural.csv   natural rule, calibrated
data/split.csv                 reports/confusion.csv             actual, predicted
                               reports/per_class.csv             each class against the others
                               reports/operating_points.csv      thresholds from validation
                               reports/subgroups.csv             by sex, age, site, proof
"""

import sys
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from harmonic.data.arrays import read_labelled_images
from harmonic.data.classes import CLASSES
from harmonic.data.metadata import read_index
from harmonic.evaluation.bootstrap import DIGITS, metrics_document, per_class_document
from harmonic.evaluation.lesion_level import lesion_metrics
from harmonic.evaluation.metrics import uncalibrated_metrics
from harmonic.evaluation.operating_points import operating_metrics, operating_points
from harmonic.evaluation.predictions import write_predictions
from harmonic.evaluation.rules import decision_rules
from harmonic.evaluation.subgroups import subgroup_table
from harmonic.learning.batches import predict_logits
from harmonic.learning.device import choose_device
from harmonic.model_file.description import calibration_of
from harmonic.model_file.safetensors_file import load_model
from stages.harness.exact import device_of
from stages.harness.partial import write_json
from stages.harness.stage import Stage, run_stage


def work(stage: Stage) -> None:
    settings = stage.params.evaluate
    model, description = load_model(stage.reads.model)
    device = choose_device(device_of(stage.params))
    model = model.to(device)
    data = read_labelled_images(stage.reads.images, stage.reads.split)

    calibration = calibration_of(description, str(stage.reads.model))
    logits = {
        name: predict_logits(
            model,
            data.part(name).images,
            description.statistics(),
            device,
            view_count=calibration.views,
            progress=f"evaluate: {name}",
        )
        for name in ("val", "test")
    }
    rules = partial(
        decision_rules,
        class_counts=np.array(description.class_counts),
        imbalance=description.imbalance,
    )
    balanced, natural = rules(logits["test"], temperature=calibration.temperature)
    _, uncalibrated = rules(logits["test"], temperature=1.0)
    val_balanced, _ = rules(logits["val"], temperature=calibration.temperature)

    test = data.part("test")
    write_predictions(stage.writes.predictions, test.image_ids.tolist(), balanced)
    write_predictions(stage.writes.predictions_natural, test.image_ids.tolist(), natural)
    names = np.array(CLASSES)
    confusion = pd.DataFrame(
        {"actual": names[test.labels], "predicted": names[balanced.argmax(axis=1)]}
    )
    drawn: dict[str, Any] = {"resamples": settings.resamples, "seed": settings.seed}
    points = operating_points(
        data.part("val").labels,
        val_balanced,
        test.labels,
        test.groups,
        balanced,
        **drawn,
    )
    index = read_index(stage.reads.index).set_index("image_id").loc[test.image_ids]
    tables = {
        stage.writes.confusion: confusion,
        stage.writes.per_class: per_class_document(test.labels, test.groups, balanced, **drawn),
        stage.writes.operating_points: points,
        stage.writes.subgroups: subgroup_table(index, test.labels, balanced, **drawn),
    }
    for path, table in tables.items():
        table.to_csv(path, index=False, lineterminator="\n")
    metrics = {
        **metrics_document(test.labels, test.groups, balanced, natural, **drawn),
        **lesion_metrics(test.labels, test.groups, balanced, natural, **drawn),
        **uncalibrated_metrics(test.labels, uncalibrated),
        **operating_metrics(points),
        "temperature": round(calibration.temperature, DIGITS),
    }
    write_json(stage.writes.metrics, metrics)
    print(
        f"evaluate: balanced accuracy {metrics['balanced_accuracy']:.3f} "
        f"[{metrics['balanced_accuracy_low']:.3f}, {metrics['balanced_accuracy_high']:.3f}] "
        f"on {len(test.labels)} test images"
    )


def main() -> int:
    return run_stage(
        "evaluate",
        work,
        reads=["model", "images", "index", "split"],
        writes=[
            "metrics",
            "predictions",
            "predictions_natural",
            "confusion",
            "per_class",
            "operating_points",
            "subgroups",
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
