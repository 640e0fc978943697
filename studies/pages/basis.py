"""What it is that helps: cosines, any rotation of coordinates, or neither.

The questions stood here, with the way they are answered, before the first run was made.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from harmonic.errors import InputError
from harmonic.evaluation.difference import Difference, verdict
from harmonic.evaluation.paired import paired_difference
from harmonic.evaluation.plots.differences import forest_plot
from harmonic.evaluation.runs import Run, runs_table
from harmonic.evaluation.weighted import STATISTICS
from harmonic.markdown import markdown_table, with_interval
from studies.pages.reading import by_arm, runs_of_studies

FIGURE = "balanced_accuracy"
RESAMPLES = 2000


@dataclass(frozen=True)
class Question:
    """Second arm minus first."""

    words: str
    first: str
    second: str
    expected: str


QUESTIONS = (
    Question(
        "Does a harmonic layer help under AdamW?", "cnn-adamw", "harmonic-adamw",
        "better: Adam tells coordinates apart",
    ),
    Question(
        "And under SGD?", "cnn-sgd", "harmonic-sgd",
        "no difference: in exact arithmetic the two are one function all along",
    ),
    Question(
        "Does any other orthonormal basis help as much?", "cnn-adamw", "random-adamw",
        "better, as with cosines",
    ),
    Question(
        "Are cosines better than a random basis?", "random-adamw", "harmonic-adamw",
        "no difference, or a small one",
    ),
    Question(
        "Does a random basis change anything under SGD?", "cnn-sgd", "random-sgd",
        "no difference",
    ),
    Question(
        "May high frequencies be left out? Six of nine cosines against six random filters",
        "random-level3-adamw", "harmonic-level3-adamw",
        "better: here the choice of subspace counts, in any optimizer",
    ),
    Question(
        "Three of nine cosines against three random filters",
        "random-level2-adamw", "harmonic-level2-adamw",
        "better, and by more",
    ),
    Question(
        "Does it matter which cosines? DCT-IV against DCT-II", "harmonic-adamw",
        "harmonic-dct4-adamw", "no difference",
    ),
    Question(
        "Does the scale of the filters matter under SGD? L1 against orthonormal",
        "harmonic-sgd", "harmonic-l1-sgd",
        "a difference: the scale is a learning rate of each coefficient",
    ),
    Question(
        "Does the first layer's batch norm help?", "harmonic-adamw", "harmonic-first-adamw",
        "no expectation",
    ),
)  # fmt: skip
CONFIDENCE = 1 - 0.05 / len(QUESTIONS)
"""One false alarm in twenty pages (Bonferroni)."""
TEXT = f"""\
# What it is that helps

With orthonormal filters a harmonic layer is an ordinary convolution in rotated coordinates. Under
SGD, with momentum and weight decay, the rotation changes nothing (`tests/nn/test_trajectory.py` has
it to a billionth over 50 steps); under Adam, which scales each coordinate by itself, it does. So
what a harmonic network has over a plain one may belong to its cosines, to any rotation, or to
neither. The control is a frozen orthonormal basis drawn by lot (`train.transform=random`).

Asked beforehand: {len(QUESTIONS)} questions, each one arm against another, on balanced accuracy,
five seeds of one split paired by seed, intervals over lesions and seeds together at
{100 * CONFIDENCE:g} % each, and told only where an exact test agrees. Every arm had the same
search: five learning rates × two weight decays, three epochs, one seed, the highest balanced
accuracy on validation (preset `basis-search`). The test set was read by none of it.

`python -m studies run basis-search`, `python -m studies run basis` and
`python -m studies pages basis.md` make this page.

"""
LIMITS = """
What cannot be concluded: all of this is one data set, one small network of 3 × 3 kernels, ten
epochs. A difference smaller than the last column, half the width of its interval, could not have
been shown with these seeds and lesions; that none is shown does not say that there is none.
"""


def answered(question: Question, arms: Mapping[str, Sequence[Run]]) -> Difference:
    """The planned comparison, of the seeds that both arms have."""
    of_first, of_second = (
        {run.seed: run for run in arms.get(arm, ())} for arm in (question.first, question.second)
    )
    seeds = sorted(of_first.keys() & of_second.keys())
    pairs = [(of_first[seed].answers, of_second[seed].answers) for seed in seeds]
    whole = [(one, other) for one, other in pairs if one is not None and other is not None]
    if len(whole) < 2 or len(whole) < len(pairs):
        raise InputError(
            f"{question.first} and {question.second}: {len(whole)} seeds with answers of both; "
            "`python -m studies run basis` makes them"
        )
    base = whole[0][0]
    if any(one.image_ids.tolist() != base.image_ids.tolist() for pair in whole for one in pair):
        raise InputError(f"{question.first} and {question.second}: other test images")
    return paired_difference(
        base.labels,
        base.lesions,
        np.array([one.balanced for one, _ in whole]),
        np.array([other.balanced for _, other in whole]),
        STATISTICS[FIGURE],
        resamples=RESAMPLES,
        seed=0,
        confidence=CONFIDENCE,
    )


def arm_rows(arms: Mapping[str, Sequence[Run]]) -> Iterator[list[object]]:
    for arm, runs in arms.items():
        table = runs_table(runs, ["lr", "train.weight_decay"])
        row = table.iloc[0]
        shown = [
            f"{table[name].mean():.3f} ± {table[name].std():.3f}"
            for name in (FIGURE, "macro_auc", "val_balanced_accuracy")
        ]
        yield [
            *(arm, f"{row.parameters:,.0f}", f"{float(row['params.lr']):g}"),
            *(f"{float(row['params.train.weight_decay']):g}", len(runs), *shown),
        ]


def page(results: Path) -> dict[str, str | bytes]:
    arms = by_arm([run for run in runs_of_studies(results, "basis") if run.fold is None])
    found = [(question, answered(question, arms)) for question in QUESTIONS]
    rows, bars = [], []
    for question, difference in found:
        low, high = difference.interval
        rows.append(
            [
                *(question.words, question.second, question.first),
                *(with_interval(difference.value, low, high, "+.3f"), question.expected),
                verdict(difference, FIGURE, question.first, question.second, len(QUESTIONS)),
                f"{(high - low) / 2:.3f}",
            ]
        )
        bars.append((f"{question.second} − {question.first}", difference.value, (low, high)))
    heads = ["question", "arm", "against", "difference", "expected", "answer", "least to be shown"]
    columns = ["arm", "parameters", "lr", "decay", "seeds", "balanced accuracy", "macro AUC"]
    commits = ", ".join(sorted({run.commit for runs in arms.values() for run in runs}))
    text = (
        f"{TEXT}{markdown_table(heads, rows)}\n![Each difference with its interval](basis.svg)\n\n"
        f"{markdown_table([*columns, 'on validation'], list(arm_rows(arms)))}\n"
        f"Runs of commit {commits}; `results/runs/basis`.\n{LIMITS}"
    )
    return {"basis.md": text, "basis.svg": forest_plot(bars, "difference in balanced accuracy")}
