"""What it is that helps: cosines, any rotation of coordinates, or neither.

The questions stood here, with the way they are answered, before the first run was made.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harmonic.evaluation.difference import Difference, verdict
from harmonic.evaluation.plots.differences import forest_plot
from harmonic.evaluation.runs import Run, runs_table
from harmonic.evaluation.weighted import STATISTICS
from harmonic.markdown import markdown_table
from studies.pages.reading import (
    by_arm,
    commits_of,
    difference_cell,
    mean_and_deviation,
    paired,
    plot_row,
    runs_of_study,
)

FIGURE = "balanced_accuracy"


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
    first, second = question.first, question.second
    pairs = paired(arms.get(first, ()), arms.get(second, ()), f"{first} and {second}", least=2)
    return pairs.difference(STATISTICS[FIGURE], pairs.answers[0][0].lesions, confidence=CONFIDENCE)


def arm_row(arm: str, runs: Sequence[Run]) -> list[object]:
    table = runs_table(runs, ["lr", "train.weight_decay"])
    row = table.iloc[0]
    return [
        *(arm, f"{row.parameters:,.0f}", f"{float(row['params.lr']):g}"),
        *(f"{float(row['params.train.weight_decay']):g}", len(runs)),
        *(mean_and_deviation(table[name]) for name in (FIGURE, "macro_auc")),
        mean_and_deviation(table.val_balanced_accuracy),
    ]


def page(results: Path) -> dict[str, str | bytes]:
    runs = runs_of_study(results, "basis")
    arms, rows, bars = by_arm(runs), [], []
    for question in QUESTIONS:
        difference = answered(question, arms)
        low, high = difference.interval
        rows.append(
            [
                *(question.words, question.second, question.first),
                *(difference_cell(difference), question.expected),
                verdict(difference, FIGURE, question.first, question.second, len(QUESTIONS)),
                "–" if difference.too_few else f"{(high - low) / 2:.3f}",
            ]
        )
        bars.append(plot_row(f"{question.second} − {question.first}", difference))
    heads = ["question", "arm", "against", "difference", "expected", "answer", "least to be shown"]
    columns = ["arm", "parameters", "lr", "decay", "seeds", "balanced accuracy", "macro AUC"]
    of_arms = [arm_row(arm, members) for arm, members in arms.items()]
    text = (
        f"{TEXT}{markdown_table(heads, rows)}\n![Each difference with its interval](basis.svg)\n\n"
        f"{markdown_table([*columns, 'on validation'], of_arms)}\n"
        f"Runs of commit {commits_of(runs)}; `results/runs/basis`.\n{LIMITS}"
    )
    return {"basis.md": text, "basis.svg": forest_plot(bars, "difference in balanced accuracy")}
