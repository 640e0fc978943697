"""python -m studies pages: the pages of results/ made anew, so that no figure is typed by hand."""

import argparse
import sys
from pathlib import Path

MADE_ELSEWHERE = "layers.md, hair.md and training_time.md are measured; each names its command"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "pages",
        help="the pages of results/ from the folders of runs",
        description=f"Makes pages and plots anew; nothing is trained ({MADE_ELSEWHERE}).",
    )
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="without: all that are there")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder (results)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from harmonic.errors import InputError
    from studies.pages import PAGES, write_page

    failed = 0
    for page in options.pages or [one for one in PAGES if (options.results / one).is_file()]:
        try:
            for name in write_page(page, options.results):
                print(options.results / name)
        except InputError as error:
            print(f"pages: {error}", file=sys.stderr)
            failed += 1
    return 1 if failed else 0
