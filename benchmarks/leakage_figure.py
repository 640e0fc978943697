"""Both measurements of the leak in one picture: results/leak.csv and results/post_protocol.csv.

python -m benchmarks.leakage_figure       # writes results/leakage.svg
"""

import argparse
import sys
from pathlib import Path

from matplotlib.figure import Figure

from benchmarks.leak.summary import LABEL, inflations
from benchmarks.leak.summary import read_studies as read_leak
from benchmarks.post_protocol.page import draw_epochs
from benchmarks.post_protocol.page import read_study as read_post
from harmonic.errors import InputError
from harmonic.evaluation.plots.differences import draw_forest
from harmonic.evaluation.plots.drawing import house_style, to_svg
from harmonic.files import write_bytes


def picture(results: Path, resamples: int) -> bytes:
    """SVG: the post's protocol on the left, what siblings alone add on the right."""
    post, leak = read_post(results), read_leak(results)
    with house_style():
        figure = Figure(figsize=(10.5, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_epochs(left, post)
        left.set_title("The blog post's protocol: two independent draws")
        draw_forest(right, inflations(leak, resamples), LABEL)
        right.set_title("What siblings of test lesions in training add")
        return to_svg(figure)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.leakage_figure",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder (results)")
    parser.add_argument("--resamples", type=int, default=2000, help="of the intervals (2000)")
    options = parser.parse_args(arguments)
    try:
        drawing = picture(options.results, options.resamples)
        write_bytes(options.results / "leakage.svg", drawing)
    except InputError as error:
        print(f"leakage_figure: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
