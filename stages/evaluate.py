"""Evaluate: the only stage that reads the test set.

models/model.safetensors,  ->  reports/metrics.json              with 95 % intervals
data/images.npy,               reports/predictions.csv           balanced rule, ISIC 2018 form
data/split.csv                 reports/predictions_natural.csv   natural rule, calibrated
                               reports/confusion.csv             actual, predicted
"""

import sys

from stages.harness.partial import write_json
from stages.harness.stage import Stage, run_stage


def work(stage: Stage) -> None:
    import numpy as np
    import pandas as pd

    from harmonic.data.arrays import read_labelled_images
    from harmonic.data.classes import CLASSES
    from harmonic.description import calibration_of
    from harmonic.evaluation.bootstrap import metrics_document
    from harmonic.evaluation.predictions import write_predictions
    from harmonic.evaluation.rules import decision_rules
    from harmonic.learning.batches import predict_logits
    from harmonic.learning.model_file import load_model
    from harmonic.learning.settings import choose_device

    settings = stage.params.evaluate
    model, description = load_model(stage.reads.model)
    device = choose_device(stage.params.device)
    model = model.to(device)
    data = read_labelled_images(stage.reads.images, stage.reads.split)

    calibration = calibration_of(description, str(stage.reads.model))
    test = data.part("test")
    logits = predict_logits(
        model,
        test.images,
        description.statistics(),
        device,
        view_count=calibration.views,
        progress="evaluate",
    )
    balanced, natural = decision_rules(
        logits,
        np.array(description.class_counts),
        imbalance=description.imbalance,
        temperature=calibration.temperature,
    )
    write_predictions(stage.writes.predictions, test.image_ids.tolist(), balanced)
    write_predictions(stage.writes.predictions_natural, test.image_ids.tolist(), natural)
    names = np.array(CLASSES)
    confusion = pd.DataFrame(
        {"actual": names[test.labels], "predicted": names[balanced.argmax(axis=1)]}
    )
    confusion.to_csv(stage.writes.confusion, index=False, lineterminator="\n")
    metrics = metrics_document(
        test.labels,
        test.groups,
        balanced,
        natural,
        resamples=settings.resamples,
        seed=settings.seed,
    )
    write_json(stage.writes.metrics, metrics | {"temperature": round(calibration.temperature, 4)})
    print(
        f"evaluate: balanced accuracy {metrics['balanced_accuracy']:.3f} "
        f"[{metrics['balanced_accuracy_low']:.3f}, {metrics['balanced_accuracy_high']:.3f}] "
        f"on {len(test.labels)} test images"
    )


def main() -> int:
    return run_stage(
        "evaluate",
        work,
        reads=["model", "images", "split"],
        writes=["metrics", "predictions", "predictions_natural", "confusion"],
    )


if __name__ == "__main__":
    sys.exit(main())
