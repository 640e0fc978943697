"""python -m harmonic pool: the folds of a cross-validation as one evaluation."""

import argparse
from pathlib import Path

FILES = (
    *("predictions.csv", "predictions_natural.csv", "per_class.csv", "data/split.csv"),
    *("intervals.json", "figures.json"),
    "metrics.json",  # last: a folder without it is no run
)


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "pool",
        help="the folds of a cross-validation as one evaluation of every image",
        description="Joins the test answers of runs with split.fold 0 to n - 1, so that every "
        "image is answered by the network that did not see its lesion, and evaluates them all. "
        "Writes metrics.json, intervals.json, figures.json, per_class.csv, predictions.csv, "
        "predictions_natural.csv and data/split.csv (the truth), which `compare` reads as a run.",
    )
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", help="DVC experiment, git revision, or folder of a run"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write to")
    parser.add_argument("--truth", type=Path, help="CSV (image, lesion_id, dx) for bare folders")
    parser.add_argument("--resamples", type=int, default=1000, help="of the intervals (1000)")
    parser.add_argument("--force", action="store_true", help="replace what is there already")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    if options.output.exists() and not options.output.is_dir():
        raise ValueError(f"--output {options.output}: is a file, give a folder")
    from harmonic.evaluation.bootstrap import check_resamples, interval_text
    from harmonic.evaluation.pooling import (
        check_all_answered,
        pooled_answers,
        pooled_figures,
        truth_table,
    )
    from harmonic.evaluation.predictions import predictions_table
    from harmonic.evaluation.run_files import files_read
    from harmonic.evaluation.run_folder import figures_apart
    from harmonic.evaluation.runs import read_runs
    from harmonic.files import check_outputs, json_text, write_together

    places = [options.output / name for name in FILES]
    check_outputs(
        [("--output", place) for place in places if place.parent.is_dir()],
        used=files_read(options.runs, options.truth),
        force=options.force,
    )
    check_resamples("--resamples", options.resamples)
    answers = pooled_answers(read_runs(options.runs, options.truth))
    if options.truth is not None:
        check_all_answered(answers, options.truth)
    document, table = pooled_figures(answers, resamples=options.resamples, seed=0)
    apart = figures_apart(document)
    ids = answers.image_ids.tolist()
    assert answers.natural is not None  # pooled_figures refuses that
    contents = (
        predictions_table(ids, answers.balanced, "the balanced rule"),
        predictions_table(ids, answers.natural, "the natural rule"),
        table.to_csv(index=False, lineterminator="\n"),
        truth_table(answers).to_csv(index=False, lineterminator="\n"),
        *(json_text(apart[name]) for name in ("intervals", "figures", "metrics")),
    )
    (options.output / "data").mkdir(parents=True, exist_ok=True)
    write_together(dict(zip(places, contents, strict=True)))
    print(
        f"pool: balanced accuracy {document['balanced_accuracy']:.3f} "
        f"{interval_text(document, 'balanced_accuracy')} "
        f"on {len(ids)} images of {document['test_lesions']:.0f} lesions"
    )
