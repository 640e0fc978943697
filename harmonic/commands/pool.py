"""python -m harmonic pool: the folds of a cross-validation as one evaluation."""

import argparse
import json
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "pool",
        help="the folds of a cross-validation as one evaluation of every image",
        description="Joins the test answers of runs with split.fold 0 to n - 1, so that every "
        "image is answered by the network that did not see its lesion, and evaluates them all. "
        "Writes metrics.json, per_class.csv, predictions.csv, predictions_natural.csv and "
        "data/split.csv (the truth), which `compare` reads as a run.",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="DVC experiment, git revision, or folder of a run"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--truth", type=Path, help="CSV (image, lesion_id, dx) for bare folders")
    parser.add_argument("--resamples", type=int, default=1000, help="of the intervals (1000)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    if options.output.exists() and not options.output.is_dir():
        raise ValueError(f"--output {options.output}: is a file, give a folder")
    from harmonic.evaluation.bootstrap import per_class_document
    from harmonic.evaluation.pooling import (
        check_all_answered,
        pooled_answers,
        pooled_document,
        truth_table,
    )
    from harmonic.evaluation.predictions import write_predictions
    from harmonic.evaluation.runs import read_runs

    answers = pooled_answers(read_runs(options.runs, options.truth))
    if options.truth is not None:
        check_all_answered(answers, options.truth)
    drawn = {"resamples": options.resamples, "seed": 0}
    document = pooled_document(answers, **drawn)
    table = per_class_document(answers.labels, answers.lesions, answers.balanced, **drawn)
    options.output.mkdir(parents=True, exist_ok=True)
    ids = answers.image_ids.tolist()
    write_predictions(options.output / "predictions.csv", ids, answers.balanced)
    if answers.natural is not None:
        write_predictions(options.output / "predictions_natural.csv", ids, answers.natural)
    table.to_csv(options.output / "per_class.csv", index=False, lineterminator="\n")
    (options.output / "data").mkdir(exist_ok=True)
    truth_table(answers).to_csv(
        options.output / "data" / "split.csv", index=False, lineterminator="\n"
    )
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    (options.output / "metrics.json").write_text(text, encoding="utf-8")
    print(
        f"pool: balanced accuracy {document['balanced_accuracy']:.3f} "
        f"[{document['balanced_accuracy_low']:.3f}, {document['balanced_accuracy_high']:.3f}] "
        f"on {len(ids)} images of {document['test_lesions']:.0f} lesions"
    )
