"""Cross-validation as one evaluation: every image answered by the run that did not train on it."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harmonic.errors import InputError
from harmonic.evaluation.bootstrap import metrics_document
from harmonic.evaluation.metrics import headline_metrics
from harmonic.evaluation.runs import Answers, Run


def pooled_answers(runs: Sequence[Run]) -> Answers:
    """The out-of-fold answers of all runs, sorted by image.

    Raises InputError where a run has no predictions, an image is tested twice, a lesion is tested
    in two folds, or the folds are not 0 to n - 1, each once.
    """
    folds = sorted(run.fold if run.fold is not None else -1 for run in runs)
    if folds != list(range(len(runs))) or len(runs) < 2:
        raise InputError(f"folds {folds}: needed are 0 to n - 1, each once (split.fold)")
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
    natural = [part.natural for part in parts if part.natural is not None]
    return Answers(
        image_ids=ids[order],
        labels=np.concatenate([part.labels for part in parts])[order],
        lesions=np.concatenate([part.lesions for part in parts])[order],
        balanced=np.concatenate([part.balanced for part in parts])[order],
        natural=np.concatenate(natural)[order] if len(natural) == len(parts) else None,
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


def pooled_document(answers: Answers, *, resamples: int, seed: int) -> dict[str, float]:
    """`metrics_document` of pooled answers; raises InputError without the natural rule's."""
    if answers.natural is None:
        raise InputError("pooling: predictions_natural.csv of a run is missing")
    return metrics_document(
        answers.labels,
        answers.lesions,
        answers.balanced,
        answers.natural,
        resamples=resamples,
        seed=seed,
    )
