"""Cross-validation as one evaluation: every image answered by the run that did not train on it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers, csv_table
from harmonic.evaluation.bootstrap import (
    lesion_metrics,
    metrics_document,
    per_class_document,
    resampled_weights,
    without_empty_intervals,
)
from harmonic.evaluation.metrics import metrics_of_rules
from harmonic.evaluation.runs import Run


def pooled_answers(runs: Sequence[Run]) -> Answers:
    """The out-of-fold answers of all runs, sorted by image.

    Raises InputError where a run has no predictions, an image is tested twice, a lesion is tested
    in two folds, or the runs are not one cross-validation (`check_folds`).
    """
    check_folds(runs)
    parts = []
    for run in runs:
        if run.answers is None:
            raise InputError(f"run {run.name}: no predictions with a truth to pool")
        parts.append(run.answers)
    for thing, one_each in (
        ("image", [part.image_ids for part in parts]),
        ("lesion", [np.unique(part.lesions) for part in parts]),
    ):
        names, counts = np.unique(np.concatenate(one_each), return_counts=True)
        if (counts > 1).any():
            raise InputError(f"{thing} {names[counts > 1][0]}: in the test sets of two folds")
    order = np.argsort(np.concatenate([part.image_ids for part in parts]))
    natural = [one for part in parts if (one := part.by_natural_rule()) is not None]
    labels, lesions, balanced, image_ids = (
        np.concatenate([getattr(part, name) for part in parts])[order]
        for name in ("labels", "lesions", "balanced", "image_ids")
    )
    of_both = np.concatenate(natural)[order] if len(natural) == len(parts) else None
    return Answers(labels, lesions, balanced, of_both, image_ids)


def check_folds(runs: Sequence[Run]) -> None:
    """Raises InputError where runs differ by more than the fold, or a fold is missing or doubled.

    How many folds there are is what split.folds says; where that is not known, as many as runs.
    """
    for run in runs:
        if run.fold is None:
            raise InputError(f"run {run.name}: is no fold of a cross-validation (split.folds)")
        if run.seed != runs[0].seed:
            raise InputError(
                f"run {run.name}: seed {run.seed}, but run {runs[0].name}: {runs[0].seed}; folds "
                "to pool are of one seed"
            )
        for key in sorted({*run.kind, *runs[0].kind}):
            mine, other = run.kind.get(key, "unknown"), runs[0].kind.get(key, "unknown")
            if mine != other:
                raise InputError(
                    f"run {run.name}: {key} {mine}, but run {runs[0].name}: {other}; folds to pool "
                    "differ in nothing else"
                )
    stated = runs[0].traits.get("split.folds", "")
    count = int(stated) if stated.isdecimal() else max(2, len(runs))
    folds = sorted(run.fold for run in runs if run.fold is not None)
    if folds != list(range(count)):
        raise InputError(f"folds {folds}: needed are 0 to {count - 1}, each once (split.fold)")


def check_all_answered(answers: Answers, truth: Path) -> None:
    """Raises InputError where an image of the table `truth` is in no fold's test set.

    Bare folders do not say how many folds there are; this tells when the last ones are missing.
    """
    table = csv_table(truth.read_bytes(), str(truth)).rename(columns={"image_id": "image"})
    if missing := sorted(set(table["image"].astype(str)) - set(answers.image_ids.tolist())):
        raise InputError(
            f"truth {truth}: image {missing[0]}: in no fold's test set ({len(missing)} such "
            "images); is a fold missing?"
        )


def pooled_run(runs: Sequence[Run]) -> Run:
    """One run made of all folds: metrics of the pooled answers, without intervals."""
    answers = pooled_answers(runs)
    metrics = metrics_of_rules(answers.labels, answers.balanced, answers.natural)
    return replace(
        runs[0],
        name=f"{runs[0].name} and {len(runs) - 1} more folds",
        fold=None,
        test_set=f"{len(runs)} folds pooled, {len(answers.labels)} images",
        metrics=metrics,
        answers=answers,
    )


def truth_table(answers: Answers) -> pd.DataFrame:
    """Lesion and diagnosis of every image, in the form of split.csv; all of them were tested."""
    return pd.DataFrame(
        {
            "image_id": answers.image_ids,
            "lesion_id": answers.lesions,
            "dx": np.array(CLASSES)[answers.labels],
            "split": "test",
        }
    )


def pooled_figures(
    answers: Answers, *, resamples: int, seed: int
) -> tuple[dict[str, float], pd.DataFrame]:
    """Figures of pooled answers with the ends of their intervals: of all classes, and of each.

    Where all resamples agree (few lesions, all of a class answered alike), an interval would have
    no width and claim what nobody knows: it is left out, in the table it is NaN.

    Raises InputError without the natural rule's answers.
    """
    if answers.natural is None:
        raise InputError("pooling: predictions_natural.csv of a run is missing")
    weights = resampled_weights(answers.labels, answers.lesions, resamples=resamples, seed=seed)
    document = metrics_document(answers, weights) | lesion_metrics(answers, weights)
    table = per_class_document(answers, weights)
    for low in [name for name in table if name.endswith("_low")]:
        ends = [low, low.removesuffix("_low") + "_high"]
        table.loc[table[low] == table[ends[1]], ends] = np.nan
    return without_empty_intervals(document), table
