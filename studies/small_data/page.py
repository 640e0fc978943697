"""The page on little data."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from harmonic.evaluation.plots import drawing
from harmonic.evaluation.plots.drawing import house_style, one_panel, to_svg
from studies.pages.reading import runs_of_study
from studies.small_data import analysis
from studies.small_data.analysis import SCORES, finished, present
from studies.small_data.splits import LARGEST, TRAINING, VALIDATION
from studies.small_data.tasks import DECAYS, PRESETS, RATES

TITLE = "# Harmonic networks with little data: GEM's claim on these images, without its leak"
QUESTION = """\
GEM (Brigato et al., IEEE Access 2022, doi 10.1109/ACCESS.2022.3172939) reports on ISIC 2018, which
is HAM10000, with 80 training images a class: 64.49 % balanced accuracy for a tuned ResNet-50 from
scratch and 69.70 % for its harmonic version, the first of twelve methods. Its test sets hold
images of lesions seen in training (183, 189 and 188 of 1,944), and its harmonic version differs
from the plain network in several things at once. Here both are taken apart: every network is
tested on the published test sets and on what is left of them without those images (1,761, 1,755
and 1,756), and each ingredient is an arm of its own."""
LIMITS = """\
- A small network at 64 × 64 pixels says nothing certain about ResNet-50 at 224 × 224.
- Intervals are over splits and seeds. GEM's three splits share test images, and seeds share a
  split, so the pairs are not independent and the intervals rather too narrow. They do not tell how
  far the findings carry over to other photographs.
- One table tests many differences, and nothing is corrected for that: a lower end just above zero
  is weak.
- Rate and decay were chosen on the validation images of the first split with one seed and a
  shorter training, equally for all arms; a rate at the end of what was tried might be better
  beyond. For fewer images a class they are those found with the most.
- Published and clean test differ in more than the leak: the clean one holds fewer images of
  lesions photographed several times."""


def listed(values: Sequence[float]) -> str:
    return ", ".join(f"{value:g}" for value in values)


def protocol(preset: str) -> str:
    chosen = PRESETS[preset]
    options = "".join(f", {name} {value}" for name, value in chosen.options.items())
    lines = [
        f"- Images: HAM10000 at 200 × 150, squashed to {chosen.image_size} × {chosen.image_size}; "
        "hair removed by the pipeline's default. GEM: 224 × 224 from the originals, hair and all.",
        f"- Network: `{chosen.network}`{options}, from scratch. GEM: ResNet-50.",
        "- Recipe, GEM's: random crops of 0.4 to 1 of the area, both flips, SGD with momentum 0.9, "
        f"cosine to zero without warm-up. {chosen.steps} steps of {chosen.batch_size} images for "
        "every number of training images. GEM: 500 epochs.",
        f"- Search, for every arm alike: learning rates {listed(RATES)} × weight decays "
        f"{listed(DECAYS)}, {chosen.search_steps} steps "
        f"on {TRAINING} images a class, judged on {VALIDATION} others; the test sets are not read. "
        "GEM: 100 trials of ASHA.",
        f"- Then training on {LARGEST} images a class, three splits × the seeds; answers from one "
        "view of an image.",
        "- Classes equally frequent in training; balanced accuracy is the mean recall.",
    ]
    return "\n".join(lines)


SAME = """\
Under SGD orthonormal harmonic layers follow plain ones step by step from the same kernels
([layers.md](../docs/layers.md)). `plain` → `ortho` and `plain-first` → `ortho-first` therefore
differ by the learning rate and decay that the search chose for each, and by rounding: what such a
row shows is how much the chance of a search can do, and any other row has to be read beside it."""
ARM_WORDS = {
    "plain": "nn.Conv2d everywhere",
    "plain-scaled": "plain with the smaller initial kernels that L1-scaled filters give",
    "plain-first": "plain but for a harmonic first layer whose responses are batch-normalised",
    "ortho": "harmonic layers with orthonormal filters",
    "ortho-first": "ortho with the batch-normalised first layer",
    "l1": "harmonic layers with L1-scaled filters",
    "l1-first": "l1 with the batch-normalised first layer",
    "gem": "l1-first with the smaller initial kernels: all of GEM's ingredients",
    "level3": "ortho with three levels of frequencies",
    "level2": "ortho with two levels of frequencies",
}


def section(rows: pd.DataFrame, search: pd.DataFrame, preset: str, plot: str) -> str:
    largest = rows[rows.images_per_class == LARGEST]
    commits, data = (", ".join(sorted(set(rows[name]))) for name in ("commit", "data"))
    parts = [
        f"## Preset {preset}: {len(rows)} runs, commit {commits}, data {data}",
        protocol(preset),
        "\n".join(f"- **{arm}**: {ARM_WORDS[arm]}" for arm in present(rows)),
        analysis.searched(search),
        f"Balanced accuracy in per cent, {LARGEST} images a class, mean ± deviation over "
        "splits and seeds.",
        analysis.scores(largest),
        "### Does the leak change the ranking?",
        analysis.leak_verdict(largest),
        analysis.leak(largest),
        "### Which ingredient carries a gain? (clean test)",
        analysis.ingredient_verdict(largest),
        analysis.ingredients(largest),
        SAME,
        "### Does a gain grow as data shrink? (clean test)",
        analysis.size_verdict(rows),
        analysis.sizes(rows),
        f"![Balanced accuracy over images a class]({plot})",
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


COLOURS = (drawing.INK, drawing.BLUE, drawing.ORANGE, drawing.GREY)


def accuracy_over_images(rows: pd.DataFrame) -> bytes:
    """SVG: mean and deviation of balanced accuracy on the clean test, by images a class."""
    with house_style():
        figure, axes = one_panel(5.6, 3.8)
        arms = present(rows)
        arms = [arm for arm in arms if rows[rows.arm == arm].images_per_class.nunique() > 1] or arms
        for number, arm in enumerate(arms):
            by_size = rows[rows.arm == arm].groupby("images_per_class")[SCORES["clean test"]]
            shift = 1 + 0.03 * (number - (len(arms) - 1) / 2)  # so that bars stand side by side
            axes.errorbar(
                by_size.mean().index * shift, 100 * by_size.mean(), yerr=100 * by_size.std(),
                fmt="o-", markersize=4, capsize=2, linewidth=1.2, label=arm,
                color=COLOURS[number % 4],
            )  # fmt: skip
        counts = sorted(set(rows.images_per_class))
        axes.set_xscale("log")
        axes.set_xticks(counts, [str(count) for count in counts])
        axes.minorticks_off()
        axes.set_xlabel("training images a class")
        axes.set_ylabel("balanced accuracy, clean test, %")
        axes.legend(frameon=False)
        return to_svg(figure)


def page(results: Path) -> dict[str, str | bytes]:
    """The page, with a section and a plot for each preset that has runs."""
    names = [name for name in PRESETS if (results / "runs" / f"small-data-{name}").is_dir()]
    files: dict[str, str | bytes] = {}
    sections = []
    for preset in names or ["small"]:
        study = f"small-data-{preset}"
        rows = finished(runs_of_study(results, study, answers=False))
        search = finished(runs_of_study(results, f"{study}-search", answers=False))
        plot = f"small_data-{preset}.svg"
        files[plot] = accuracy_over_images(rows)
        sections.append(section(rows, search, preset, plot))
    made = "Made by `python -m studies pages small_data.md` from `results/runs`."
    text = "\n\n".join([TITLE, QUESTION, made, *sections, "## What cannot be concluded", LIMITS])
    return {"small_data.md": f"{text}\n"} | files
