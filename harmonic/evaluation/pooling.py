"""Cross-validation as one evaluation: every image answered by the run that did not train on it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers, read_csv
from harmonic.evaluation.bootstrap import metrics_document
from harmonic.evaluation.lesion_level import lesion_metrics
from harmonic.evaluation.metrics import headline_metrics
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
    ids = np.concatenate([part.image_ids for part in parts])
    names, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise InputError(f"image {names[counts > 1][0]}: in the test sets of two folds")
    seen: dict[str, int] = {}
    for number, part in enumerate(parts):
        for lesion in np.unique(part.lesions):
            if seen.setdefault(str(lesion), number) != number:
                raise InputError(f"lesion {lesion}: in the test sets of two folds")
    order = np.argsort(ids)
    made = [part.by_natural_rule() for part in parts]
    natural = [one for one in made if one is not None]
    return Answers(
        image_ids=ids[order],
        labels=np.concatenate([part.labels for part in parts])[order],
        lesions=np.concatenate([part.lesions for part in parts])[order],
        balanced=np.concatenate([part.balanced for part in parts])[order],
        natural=np.concatenate(natural)[order] if len(natural) == len(parts) else None,
    )


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
    table = read_csv(truth.read_bytes, truth).rename(columns={"image_id": "image"})
    if missing := sorted(set(table["image"].astype(str)) - set(answers.image_ids.tolist())):
        raise InputError(
            f"truth {truth}: image {missing[0]}: in no fold's test set ({len(missing)} such "
            "images); is a fold missing?"
        )


def pooled_run(runs: Sequence[Run]) -> Run:
    """One run made of all folds: metrics of the pooled answers, without intervals."""
    answers = pooled_answers(runs)
    natural = answers.balanced if answers.natural is None else answers.natural
    metrics = headline_metrics(answers.labels, answers.balanced, natural)
    if answers.natural is None:  # figures at home under the natural rule are not known then
        metrics = {name: metrics[name] for name in ("balanced_accuracy", "macro_f1", "macro_auc")}
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


def pooled_document(answers: Answers, *, resamples: int, seed: int) -> dict[str, float]:
    """`metrics_document` and `lesion_metrics` of pooled answers.

    Raises InputError without the natural rule's.
    """
    if answers.natural is None:
        raise InputError("pooling: predictions_natural.csv of a run is missing")
    drawn = (answers.labels, answers.lesions, answers.balanced, answers.natural)
    return metrics_document(*drawn, resamples=resamples, seed=seed) | lesion_metrics(
        *drawn, resamples=resamples, seed=seed
    )
