"""The blog post's protocol summed up in a table and a picture."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from harmonic.deploy.compression import Scores
from harmonic.errors import InputError
from harmonic.evaluation.plots.drawing import BLUE, GREY, ORANGE, house_style, one_panel, to_svg
from harmonic.markdown import markdown_table, with_interval
from studies.pages.reading import RESAMPLES, kept_answers, runs_of_study, scores_of
from studies.post_protocol.protocol import PARTS

ROUNDING = 1e-5
"""Figures of a draw have five digits."""


@dataclass(frozen=True)
class Study:
    """All pairs of draws of one length on one set of images."""

    epochs: pd.DataFrame
    """A row a draw and epoch."""
    answers: pd.DataFrame
    """A row a draw and answered image, of the epoch that the post would have chosen."""


def read_study(results: Path) -> Study:
    """The runs of results/runs/post-protocol, one for each pair of draws."""
    epochs, answers = [], []
    for run in runs_of_study(results, "post-protocol", answers=False):
        history = pd.read_csv((run.folder or results) / "history.csv")
        told = ("epochs", "commit", "data", "torch", "device")
        facts = {key: run.record.get(key) for key in told}
        epochs.append(history.assign(draw=run.seed, **facts))
        table = kept_answers(results, run)
        if missing := [name for name in ("answer", "part", "in_test") if name not in table]:
            raise InputError(f"{run.folder}: its answers have no column {missing[0]}")
        for part in (one for one in PARTS if one in run.metrics):
            value = scores_of(table[table.part == part], resamples=1).value
            if abs(value - run.metrics[part]) > ROUNDING:
                raise InputError(
                    f"{run.folder}: {part} is {run.metrics[part]:.5f}, but by its answers "
                    f"{value:.5f}; they are of two runs, or some are missing"
                )
        answers.append(table.assign(draw=run.seed))
    return Study(pd.concat(epochs, ignore_index=True), pd.concat(answers, ignore_index=True))


def parts(answers: pd.DataFrame, resamples: int = RESAMPLES) -> Iterator[tuple[str, int, Scores]]:
    """Each part that has images: its name, how many a draw has, and its scores over all draws."""
    tested = answers.in_test == 1
    groups = {
        "the test draw": tested,
        "of it, images trained on": tested & (answers.part == "seen"),
        "other photographs of lesions that were trained on": answers.part == "sibling",
        "lesions never trained on": answers.part == "unseen",
    }
    for name, rows in groups.items():
        if rows.any():
            images = round(rows.sum() / answers.draw.nunique())
            yield name, images, scores_of(answers[rows], resamples)


def table(study: Study) -> str:
    first = study.epochs.iloc[0]
    # What the post would have chosen: of each draw the first epoch of the highest precision.
    chosen = study.epochs.loc[study.epochs.groupby("draw").precision.idxmax()]
    share = study.answers[study.answers.in_test == 1].part.eq("seen").mean()
    numbers = ", ".join(str(epoch) for epoch in chosen.epoch)
    precision, recall = (
        ", ".join(map("{:.3f}".format, chosen[name])) for name in ("precision", "recall")
    )
    heads = ["answered", "images a draw", "balanced accuracy"]
    rows = [
        [name, images, with_interval(scores.value, *scores.interval())]
        for name, images, scores in parts(study.answers)
    ]
    return (
        "# The blog post's protocol, taken apart\n\n"
        f"`python -m studies post-protocol --draws {len(chosen)} --epochs {first.epochs}` "
        f"with `--archive`; commit {first.commit}, data {first.data}, PyTorch {first.torch} on "
        f"{first.device}. Training and test images are two independent draws; {share:.0%} of the "
        "test images were trained on. Test images are drawn with equal class frequencies and the "
        f"epoch is chosen on them (here {numbers} of {first.epochs}).\n\n"
        "The post reported about 84 % for both precision and recall, after 300 epochs. Measured "
        f"as it did: precision {precision}, recall {recall}, a "
        "figure a pair of draws. Micro averages over images with one "
        "class each are both accuracy, so the two always agree. Drawing images with equal class "
        "frequencies makes accuracy balanced accuracy, give or take the chance of the draw; the "
        "table has it of every image once, all draws together, with 95 % intervals over "
        "lesions. Always answering one class gives "
        f"{1 / study.answers.dx.nunique():.3f}.\n\n"
        f"{markdown_table(heads, rows, right=heads[1:])}\n"
        "The last two rows are of all images outside the training draw, not of the test draw's "
        "alone. They too are of the epoch that was chosen on the test draw.\n"
        "\n![Over the epochs: the test draw as the post measured it, trained-on images, new "
        "photographs of known lesions, new lesions](post_protocol.svg)\n"
    )


def page(results: Path) -> dict[str, str | bytes]:
    study = read_study(results)
    with house_style():
        drawn, axes = one_panel(width=6.4, height=3.6)
        draw_epochs(axes, study)
        return {"post_protocol.md": table(study), "post_protocol.svg": to_svg(drawn)}


def draw_epochs(axes: Axes, study: Study) -> None:
    """A line for what the post measured, and for each of the parts; means over the draws."""
    means = study.epochs.groupby("epoch")[["precision", "seen", "sibling", "unseen"]].mean()
    lines = {
        "seen": ("images trained on", GREY, "--"),
        "precision": ("test draw, measured as in the post", ORANGE, "-"),
        "sibling": ("new photographs of lesions trained on", GREY, "-."),
        "unseen": ("lesions never trained on", BLUE, "-"),
    }
    for column, (label, colour, dashes) in lines.items():
        axes.plot(means.index, means[column], color=colour, linestyle=dashes, label=label)
    axes.set_ylim(0, 1)
    axes.set_xlabel("epoch")
    axes.set_ylabel("right answers, classes weighing alike")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="lower right")
