"""By what rule a network's answers become probabilities: how it was chosen, and how it fares.

Each rule is fitted on the answers for half of the lesions and measured on those for the others,
both ways, in several draws of the halves.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from harmonic.evaluation.answers import Answers
from harmonic.evaluation.metrics import metrics_of
from harmonic.evaluation.predictions import KEPT_ROUNDING
from harmonic.evaluation.rules import (
    EXPONENT_BOUNDS,
    TEMPERATURE_BOUNDS,
    decision_rules,
    fit_calibration,
)
from harmonic.evaluation.runs import Run
from harmonic.markdown import markdown_table
from studies.pages.reading import runs_of_study

DRAWS = 4
STUDIES = ("small", "long", "full-100-mixed")
SOFT = ("train.label_smoothing", "train.mixup", "train.cutmix")
FIGURES = ("log_loss", "ece")
BEFORE, NOW = "likelihood", "both"

Floats = NDArray[np.float64]
Powers = tuple[float, float]
"""Of the likelihood (1 / T) and of the class frequencies (s)."""


def natural(answers: Answers, powers: Powers) -> Floats:
    """The natural rule of these powers, of answers whose balanced rule is the likelihood."""
    scores = np.log(np.maximum(answers.balanced, KEPT_ROUNDING / 2))
    rule = {"temperature": 1 / powers[0], "prior_exponent": powers[1]}
    # The balanced score is itself: any way but "none" and "focal" says so.
    return decision_rules(scores, answers.class_counts or (), imbalance="class_weights", **rule)[1]


def fitted(path: Callable[[float], Powers]) -> Callable[[Answers], Powers]:
    """The powers on a path, by its one parameter, with the least log-loss of given answers."""

    def fit(answers: Answers) -> Powers:
        def log_loss(logarithm: float) -> float:
            rule = natural(answers, path(np.exp(logarithm)))
            return float(-np.log(rule[np.arange(len(rule)), answers.labels]).mean())

        ends = np.log(TEMPERATURE_BOUNDS)
        return path(np.exp(minimize_scalar(log_loss, bounds=ends, method="bounded").x))

    return fit


def both(answers: Answers) -> Powers:
    scores = np.log(np.maximum(answers.balanced, KEPT_ROUNDING / 2))
    temperature, exponent = fit_calibration(
        scores, answers.labels, answers.class_counts or (), "class_weights"
    )
    return 1 / temperature, exponent


RULES: Mapping[str, Callable[[Answers], Powers]] = {
    "none": lambda answers: (1.0, 1.0),
    "likelihood": fitted(lambda power: (power, 1.0)),
    "posterior": fitted(lambda power: (power, min(power, EXPONENT_BOUNDS[1]))),
    "both": both,
}


def measured(answers: Answers, rules: Sequence[str]) -> dict[str, float]:
    """Means over draws and halves of `<figure> <rule>`, fitted on one half, of the other."""
    names, lesion = np.unique(answers.lesions, return_inverse=True)
    found = []
    for draw in range(DRAWS):
        first = np.random.default_rng(draw).permutation(len(names)) < len(names) // 2
        halves = [answers.at(np.flatnonzero(first[lesion] == side)) for side in (True, False)]
        for fit, rest in (halves, halves[::-1]):
            for rule in rules:
                figures = metrics_of(rest.labels, natural(rest, RULES[rule](fit)))
                found.append({f"{name} {rule}": figures[name] for name in FIGURES})
    return {str(name): float(mean) for name, mean in pd.DataFrame(found).mean().items()}


def is_soft(run: Run) -> bool:
    """Whether the targets of its training were smoothed or mixed."""
    return any(float(run.traits.get(name, 0)) > 0 for name in SOFT)


def chosen(results: Path) -> str:
    """The table of the rules on validation answers, a row a run."""
    heads = ["trained with", *(f"{name}, {rule}" for rule in RULES for name in ("log-loss", "ECE"))]
    rows = []
    for run in runs_of_study(results, "calibration"):
        assert run.answers is not None
        means = measured(run.answers, list(RULES))
        cells = [f"{means[f'{name} {rule}']:.3f}" for rule in RULES for name in FIGURES]
        rows.append([run.traits["arm"].replace("_", " ").replace("-soft", ", soft"), *cells])
    return markdown_table(heads, rows, right=heads[1:])


def checked(results: Path) -> tuple[str, str]:
    """The table of the old rule and the new one on the test answers of other runs, and a line."""
    rows = []
    for study in STUDIES:
        for run in runs_of_study(results, study):
            if run.answers is not None and run.answers.class_counts is not None:
                means = measured(run.answers, [BEFORE, NOW])
                rows.append({"preset": study, "soft": is_soft(run), **means})
    table = pd.DataFrame(rows)
    table["change"] = table[f"log_loss {NOW}"] - table[f"log_loss {BEFORE}"]
    heads = [
        *("preset", "targets", "runs", "log-loss before", "now", "not higher in"),
        *("largest rise", "ECE before", "ECE now"),
    ]
    shown = []
    for (study, soft), group in table.groupby(["preset", "soft"], sort=False):
        means = group.drop(columns=["preset", "soft"]).mean()
        shown.append(
            [
                *(study, "soft" if soft else "certain", len(group)),
                *(f"{means[f'log_loss {rule}']:.3f}" for rule in (BEFORE, NOW)),
                *(f"{(group.change <= 0).mean():.0%}", f"{group.change.max():+.4f}"),
                *(f"{means[f'ece {rule}']:.3f}" for rule in (BEFORE, NOW)),
            ]
        )
    soft = table[table.soft]
    ratio = soft[f"ece {NOW}"].mean() / soft[f"ece {BEFORE}"].mean()
    line = (
        f"Of {len(table)} runs {(table.change <= 0).mean():.0%} have no higher log-loss than "
        f"before, and the largest rise is {table.change.max():.4f}. Where targets were soft, the "
        f"mean ECE is {ratio:.2f} of what it was. Where they were certain, the second power has "
        "nothing to gain and costs its noise.\n"
    )
    return markdown_table(heads, shown, right=heads[2:]), line


TEXT = """\
# By what rule answers become probabilities

`python -m studies pages calibration.md`. Every figure is of the natural rule,
softmax(b / T + s log π): b is the network's score with all classes equally frequent, π
are the class frequencies of training. Rules are fitted on half of the lesions and
measured on the other half, both ways, in {draws} draws; means.

## Chosen on validation answers

From `results/runs/calibration`: {count} small networks at 32 × 32, each with another loss,
`soft` with label smoothing 0.1, mixup and cutmix. No test image was read.

| rule | T | s |
|---|---|---|
| none | 1 | 1 |
| likelihood (until then) | fitted | 1 |
| posterior | fitted | 1 / T |
| both (since) | fitted | fitted |

{chosen}
The posterior's temperature is right where the loss looks at the posterior, the
likelihood's where images are drawn anew from a balanced world. Both powers do right by
either, at the price of one more number from the validation set.

## Checked on test answers

Nothing was chosen here. The runs are those of three presets that keep their answers, trained
before; a probability that was kept as 0 counts as half of the last digit that was kept.

{checked}
{line}"""


def page(results: Path) -> dict[str, str | bytes]:
    table, line = checked(results)
    count = len(runs_of_study(results, "calibration", answers=False))
    text = TEXT.format(draws=DRAWS, count=count, chosen=chosen(results), checked=table, line=line)
    return {"calibration.md": text}
