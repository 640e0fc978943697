"""How accurate training from scratch gets at 64 × 64.

For every arm with two seeds or more: its single networks, and their ensemble, which answers with
the mean of their probabilities. An interval is over resampled test lesions.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import bootstrap_intervals, resampled_weights
from harmonic.evaluation.metrics import headline_metrics
from harmonic.evaluation.runs import Run, runs_table
from harmonic.markdown import markdown_table, with_interval
from studies.pages.reading import (
    RESAMPLES,
    by_arm,
    mean_and_deviation,
    runs_of_study,
    written_lesions,
)

PRESETS = ("small", "long", "full", "full-100-mixed")
SINGLE = ("balanced_accuracy", "macro_auc", "weighted_precision", "weighted_recall")
HEADS = [
    *("preset", "arm", "parameters", "epochs", "seeds", "balanced accuracy", "macro AUC"),
    *("precision", "recall", "ensemble", "its AUC", "minutes"),
]
TEXT = """\
# How accurate training from scratch gets at 64 × 64

`python -m studies pages accuracy.md`, from the runs in `results/runs`, each of which names its
commit and data: mean and deviation of single networks over seeds, on test lesions that
training never saw; weighted precision and recall under the natural rule. The ensemble
answers with the mean of the seeds' probabilities; its 95 % interval is over lesions.
Minutes are a run's, on the threads that its run.json names, where it ran in one go.

"""


def ensemble(runs: Sequence[Run], lesions: NDArray[np.str_]) -> tuple[str, str]:
    """Balanced accuracy with its interval, and macro AUC, of the mean over seeds."""
    answers = [run.answers for run in runs if run.answers is not None]
    labels, mean = answers[0].labels, np.mean([one.balanced for one in answers], axis=0)
    found = headline_metrics(labels, mean, mean)  # what is shown is of the balanced rule
    weights = resampled_weights(labels, lesions, resamples=RESAMPLES, seed=0)
    intervals = bootstrap_intervals(Answers(labels, lesions, mean, mean), weights)
    shown = with_interval(found["balanced_accuracy"], *intervals["balanced_accuracy"])
    return shown, f"{found['macro_auc']:.3f}"


def page(results: Path) -> dict[str, str | bytes]:
    rows = []
    for preset in (one for one in PRESETS if (results / "runs" / one).is_dir()):
        for arm, members in by_arm(runs_of_study(results, preset)).items():
            if len(members) < 2:
                continue
            table = runs_table(members)
            rows.append(
                [
                    *(preset, arm, f"{table.parameters.iloc[0] / 1e6:.2f} M"),
                    *(f"{table.epochs.iloc[0]:.0f}", len(members)),
                    *(mean_and_deviation(table[name]) for name in SINGLE),
                    *ensemble(members, written_lesions(results, members[0])),
                    f"{table.seconds.median() / 60:.0f}",
                ]
            )
    if not rows:
        raise InputError("no arm with two seeds: run `python -m studies run small` first")
    right = ("parameters", "epochs", "seeds", "its AUC", "minutes")
    return {"accuracy.md": TEXT + markdown_table(HEADS, rows, right=right)}
