"""Evaluate: the only stage that reads the test set.

models/model.safetensors,  ->  reports/metrics.json              the headline, eight figures
data/images.npy,               reports/intervals.json            95 % intervals, _low and _high
data/index.csv,                reports/figures.json              all other figures
data/split.csv                 reports/predictions.csv           balanced rule, ISIC 2018 form
                               reports/predictions_natural.csv   natural rule, calibrated
                               reports/confusion.csv             actual, predicted
                               reports/per_class.csv             each class against the others
                               reports/operating_points.csv      thresholds from validation
                               reports/subgroups.csv             by sex, age, site, proof
"""

import sys
from functools import partial

from harmonic.data.arrays import data_digest, read_labelled_images
from harmonic.data.metadata import read_index
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import interval_text
from harmonic.evaluation.predictions import write_predictions
from harmonic.evaluation.rules import decision_rules
from harmonic.evaluation.run_folder import FIGURES, figures_apart
from harmonic.evaluation.scores import scores_of
from harmonic.files import write_json
from harmonic.learning.batches import predict_logits
from harmonic.learning.device import choose_device
from harmonic.model_file.description import calibration_of, check_data
from harmonic.model_file.safetensors_file import load_model
from stages.harness.exact import device_of
from stages.harness.stage import Stage, run_stage


def work(stage: Stage) -> None:
    settings = stage.params.evaluate
    model, description = load_model(stage.reads.model)
    digest = data_digest(stage.reads.images, stage.reads.split)
    check_data(description, digest, str(stage.reads.model))
    device = choose_device(device_of(stage.params))
    data = read_labelled_images(stage.reads.images, stage.reads.split)
    calibration = calibration_of(description, str(stage.reads.model))
    validation, test = data.part("val"), data.part("test")
    logits = {
        name: predict_logits(
            model.to(device), part.images, description.statistics(), device,
            view_count=calibration.views, progress=f"evaluate: {name}",
        )
        for name, part in (("val", validation), ("test", test))
    }  # fmt: skip
    rule = description.rule()
    balanced, natural = decision_rules(logits["test"], **rule)
    answers = Answers(
        test.labels, test.groups, balanced, natural,
        class_counts=tuple(description.class_counts), prior_exponent=calibration.prior_exponent,
    )  # fmt: skip
    index = read_index(stage.reads.index).set_index("image_id").loc[test.image_ids]
    found = scores_of(
        answers, validation.labels, decision_rules(logits["val"], **rule)[0],
        temperature=calibration.temperature, resamples=settings.resamples, seed=settings.seed,
        index=index,
    )  # fmt: skip
    write_predictions(stage.writes.predictions, test.image_ids.tolist(), balanced)
    write_predictions(stage.writes.predictions_natural, test.image_ids.tolist(), natural)
    for name, table in found.tables.items():
        table.to_csv(getattr(stage.writes, name), index=False, lineterminator="\n")
    metrics = found.figures
    for name, content in figures_apart(metrics).items():
        write_json(getattr(stage.writes, name), content)
    print(
        f"evaluate: balanced accuracy {metrics['balanced_accuracy']:.3f} "
        f"{interval_text(metrics, 'balanced_accuracy')} "
        f"on {len(test.labels)} test images"
    )


READS = ["model", "images", "index", "split"]
WRITES = [
    *FIGURES,
    *("predictions", "predictions_natural"),
    *("confusion", "per_class", "operating_points", "subgroups"),
]
main = partial(run_stage, "evaluate", work, reads=READS, writes=WRITES)

if __name__ == "__main__":
    sys.exit(main())
