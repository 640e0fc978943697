"""The pages of results/ made anew from the tables of runs beside them: no figure is typed by hand.

    python -m benchmarks.pages                       # all of them
    python -m benchmarks.pages comparison.md leak.md

Nothing is trained: each page has a command of its own, and this runs it. What is measured rather
than trained (layers.md, hair.md, training_time.md) names its own command and is not made here.
"""

import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

from harmonic.errors import InputError
from harmonic.files import write_text

REPOSITORY = Path(__file__).resolve().parents[1]
COMPARE = "harmonic compare results/runs.csv --only small"
LONG = "harmonic compare results/runs.csv --only long"
KINDS = "cnn,harmonic,harmonic-level3,harmonic-l1,harmonic-level2"
PRINTED = {
    "comparison.md": f"{COMPARE} --arms cnn,harmonic --plot results/comparison.svg",
    "kinds.md": f"{COMPARE} --arms {KINDS} --plot results/kinds.svg",
    "comparison_long.md": f"{LONG} --plot results/comparison_long.svg",
    "accuracy.md": "benchmarks.accuracy",
    "search.md": "benchmarks.search",
    "hair_effect.md": "benchmarks.hair_effect",
}
"""Pages that their command prints."""
WRITTEN = {
    "compression.md": "benchmarks.compression small --page",
    "small_data.md": "benchmarks.small_data.page",
    "leak.md": "benchmarks.leak",
    "post_protocol.md": "benchmarks.post_protocol",
    "leakage.svg": "benchmarks.leakage_figure",
}
"""Pages and pictures that their command writes itself."""
COMMANDS = PRINTED | WRITTEN


def make(page: str, root: Path) -> None:
    """Make one page in `root`/results from the tables there.

    Raises InputError with what the command said where it fails.
    """
    command = f"python -m {COMMANDS[page]}"
    finished = subprocess.run(
        [sys.executable, *shlex.split(command)[1:], *(["--force"] if "--plot" in command else [])],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode != 0:
        reason = (finished.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise InputError(f"{page}: `{command}` ended with {finished.returncode}: {reason}")
    if page in PRINTED:
        text = finished.stdout
        if text.startswith("###"):  # a comparison does not know the words it was asked with
            text = f"`{command}`\n\n{text}"
        write_text(root / "results" / page, text)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.pages",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known = ", ".join(COMMANDS)
    parser.add_argument("pages", nargs="*", metavar="PAGE", help=f"{known}; all without")
    options = parser.parse_args(arguments)
    failed = 0
    for page in options.pages or COMMANDS:
        try:
            if page not in COMMANDS:
                raise InputError(f"{page}: no page made here; allowed are {known}")
            make(page, Path.cwd())
            print(f"results/{page}")
        except InputError as error:
            print(f"pages: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
