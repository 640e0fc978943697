"""A comparison as Markdown that is readable in a terminal, too."""

from collections.abc import Sequence

import numpy as np

from harmonic.evaluation.comparison import Pair, Section
from harmonic.evaluation.exchange import fewest_differing
from harmonic.markdown import markdown_table

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
        parts += [pair_text(section, pair) for pair in section.pairs]
        parts.append("\n")
    return "".join(parts) + NOTE


def arms_table(section: Section, metrics: Sequence[str]) -> str:
    heads = ["arm", "seeds", *(name.replace("_", " ") for name in metrics)]
    rows = [
        [arm.name, len(arm.runs), *(mean_and_deviation(arm.values(name)) for name in metrics)]
        for arm in section.arms
    ]
    return markdown_table(heads, rows)


def pair_text(section: Section, pair: Pair) -> str:
    """The verdict, what is left out of it and why, the differences, and McNemar's test."""
    text = f"\n**{pair.arm}** against **{pair.reference}**: {pair.verdict}.\n\n"
    arms = [arm for arm in section.arms if arm.name in (pair.reference, pair.arm)]
    without_partner = []
    for arm in arms:
        alone = [str(run.seed) for run in arm.runs if run.seed not in pair.seeds]
        if alone:
            without_partner.append(f"{arm.name} {', '.join(alone)}")
    if without_partner:
        text += f"Left out, as the other has no run of that seed: {'; '.join(without_partner)}.\n\n"
    paired = [run for arm in arms for run in arm.runs if run.seed in pair.seeds]
    if unanswered := ", ".join(run.name for run in paired if run.answers is None):
        text += f"No interval over lesions, for want of answers of: {unanswered}.\n\n"
    if pair.differences:
        text += differences_table(pair)
    text += "".join(f"\n{line}\n" for line in pair.untold)
    if pair.only_one_right is not None:
        reference, arm_alone, p = pair.only_one_right
        text += (
            f"\nMcNemar's test, seeds averaged, a lesion a case: right by {pair.arm} alone "
            f"{arm_alone}, by {pair.reference} alone {reference}, of {pair.lesions} lesions; "
            f"p = {p:.3g}.\n"
        )
    return text


def differences_table(pair: Pair) -> str:
    rows = []
    for name, found in pair.differences.items():
        intervals = (found.over_lesions, found.over_seeds, found.over_both)
        shown = (
            "–" if one is None or found.too_few else f"[{one[0]:+.3f}, {one[1]:+.3f}]"
            for one in intervals
        )
        rows.append([name.replace("_", " "), f"{found.value:+.4f}", *shown])
    return markdown_table(["difference", "value", "over lesions", "over seeds", "over both"], rows)


def mean_and_deviation(values: Sequence[float]) -> str:
    if not values:
        return "–"
    mean = f"{np.mean(values):.4f}"
    return mean if len(values) == 1 else f"{mean} ± {np.std(values, ddof=1):.4f}"
