"""A comparison as Markdown that is readable in a terminal, too."""

from collections.abc import Sequence

import numpy as np

from harmonic.evaluation.comparison import Pair, Section
from harmonic.evaluation.paired import fewest_differing

NOTE = (
    "Differences are the arm's minus the reference's, of the runs that share a seed, with 95 % "
    "intervals: over lesions (bootstrap, the trained networks held), over seeds (Student's t, the "
    "test set held), and over both. The verdict is on the first figure alone and goes by the last "
    "interval, made wider where there are more comparisons (Bonferroni), where an exact test "
    "agrees: the two kinds' answers exchanged lesion by lesion. It cannot agree while fewer than "
    f"{fewest_differing(0.05)} lesions are answered differently (more are needed for several "
    "comparisons); then there is no interval either. Runs are paired by "
    "seed; with few seeds the interval over them depends much on that. McNemar's test holds the "
    "trained networks fixed, so it can be sure where the verdict is not. ± is the standard "
    "deviation over seeds. Differences with an interval over lesions come from the answers; where "
    "these were kept with few decimals, ties can move them by a case from the means above.\n"
)


def comparison_text(sections: Sequence[Section], metrics: Sequence[str]) -> str:
    """Markdown: for each test set the arms, the differences and the verdicts."""
    parts = []
    for section in sections:
        parts.append(f"### {section.test_set or 'metrics alone'}\n\n")
        commits = sorted({run.commit for arm in section.arms for run in arm.runs if run.commit})
        if commits:
            parts.append(f"Runs of commit {', '.join(commits)}.\n\n")
        parts.append(arms_table(section, metrics))
        if not section.pairs:
            parts.append(
                f"\n**{section.arms[0].name}** is compared with nothing: no other arm has "
                "this test set.\n"
            )
        for pair in section.pairs:
            parts.append(f"\n**{pair.arm}** against **{pair.reference}**: {pair.verdict}.\n\n")
            if alone := without_partner(section, pair):
                parts.append(f"Left out, as the other has no run of that seed: {alone}.\n\n")
            if unanswered := without_answers(section, pair):
                parts.append(f"No interval over lesions, for want of answers of: {unanswered}.\n\n")
            if pair.differences:
                parts.append(differences_table(pair))
            if pair.only_one_right is not None:
                reference, arm, p = pair.only_one_right
                parts.append(
                    f"\nMcNemar's test, seeds averaged, a lesion a case: right by {pair.arm} alone "
                    f"{arm}, by {pair.reference} alone {reference}, of {pair.lesions} lesions; "
                    f"p = {p:.3g}.\n"
                )
        parts.append("\n")
    return "".join(parts) + NOTE


def arms_table(section: Section, metrics: Sequence[str]) -> str:
    rows = [["arm", "seeds", *(name.replace("_", " ") for name in metrics)]]
    for arm in section.arms:
        cells = [arm.name, str(len(arm.runs))]
        for name in metrics:
            cells.append(mean_and_deviation(arm.values(name)))
        rows.append(cells)
    return markdown(rows)


def without_partner(section: Section, pair: Pair) -> str:
    """The seeds that only one arm of the pair has: "cnn 3, 4; harmonic 0"."""
    named = []
    for arm in section.arms:
        alone = [str(run.seed) for run in arm.runs if run.seed not in pair.seeds]
        if arm.name in (pair.reference, pair.arm) and alone:
            named.append(f"{arm.name} {', '.join(alone)}")
    return "; ".join(named)


def without_answers(section: Section, pair: Pair) -> str:
    """The runs of the pair whose answers are not known: "cnn-seed3, cnn-seed4"."""
    arms = [arm for arm in section.arms if arm.name in (pair.reference, pair.arm)]
    paired = [run for arm in arms for run in arm.runs if run.seed in pair.seeds]
    return ", ".join(run.name for run in paired if run.answers is None)


def differences_table(pair: Pair) -> str:
    heads = ["difference", "value", "over lesions", "over seeds", "over both"]
    rows = [[*heads]]
    for name, found in pair.differences.items():
        intervals = (found.over_lesions, found.over_seeds, found.over_both)
        if found.too_few:
            intervals = (None, None, None)
        rows.append(
            [
                name.replace("_", " "),
                f"{found.value:+.4f}",
                *("–" if one is None else f"[{one[0]:+.3f}, {one[1]:+.3f}]" for one in intervals),
            ]
        )
    return markdown(rows)


def mean_and_deviation(values: Sequence[float]) -> str:
    if not values:
        return "–"
    mean = f"{np.mean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.4f}"


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """Rows of cells, the first the heads, padded so that the columns stand below each other."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]]) + "\n"
