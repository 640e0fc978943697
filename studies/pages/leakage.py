"""Both measurements of the leak in one picture."""

from pathlib import Path

from matplotlib.figure import Figure

from harmonic.evaluation.plots.differences import draw_forest
from harmonic.evaluation.plots.drawing import house_style, to_svg
from studies.leak.summary import LABEL, comparisons, inflations
from studies.leak.summary import read_study as read_leak
from studies.post_protocol.page import draw_epochs
from studies.post_protocol.page import read_study as read_post


def page(results: Path) -> dict[str, str | bytes]:
    """SVG: the post's protocol on the left, what siblings alone add on the right."""
    post, leak = read_post(results), read_leak(results)
    with house_style():
        figure = Figure(figsize=(10.5, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_epochs(left, post)
        left.set_title("The blog post's protocol: two independent draws")
        draw_forest(right, inflations(comparisons(leak)), LABEL)
        right.set_title("What siblings of test lesions in training add")
        return {"leakage.svg": to_svg(figure)}
