"""python -m studies pages | table | compress: what is made of finished runs."""

import argparse
import sys
from pathlib import Path

from studies.commands.training import add_places, commit_of_code

MADE_ELSEWHERE = "layers.md, hair.md and training_time.md are measured; each names its command"


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "pages",
        help="the pages of results/ from the folders of runs",
        description=f"Makes pages and plots anew; nothing is trained ({MADE_ELSEWHERE}).",
    )
    parser.add_argument("pages", nargs="*", metavar="PAGE", help="without: all that are there")
    parser.add_argument("--results", type=Path, default=Path("results"), help="folder (results)")
    parser.set_defaults(run=pages)

    parser = commands.add_parser(
        "table",
        help="all runs as one CSV table, derived from their folders",
        description="Prints one row per run: what run.json says, every figure, and the parameters "
        "in which the runs differ, as params.<key>.",
    )
    parser.add_argument(
        "runs", nargs="*", type=Path, default=[Path("results/runs")], help="(results/runs)"
    )
    parser.set_defaults(run=table)

    parser = commands.add_parser(
        "compress",
        help="make the networks of a study smaller in every way, one folder for each file",
        description="The arms `harmonic` and `cnn` are made smaller after training in every way "
        "(the stage `compress` does so for one network). Arms trained in a smaller form "
        "(harmonic-binary, cnn-ternary, harmonic-level3 …) are taken as they are. Each file "
        "becomes a run of the study <preset>-compressed; what has its folder is not made again. "
        "The page is made by `python -m studies pages compression.md`.",
    )
    parser.add_argument("preset")
    add_places(parser)
    parser.add_argument("--data", help="digest of the data, where the preset ran on several")
    parser.add_argument("--epochs", type=int, default=0, help="of fine-tuning (0)")
    parser.add_argument("--lr", type=float, default=3e-4, help="of the fine-tuning (3e-4)")
    parser.add_argument("--views", type=int, choices=(1, 8), default=1)
    parser.add_argument("--device", default="cpu")
    parser.set_defaults(run=compress)


def pages(options: argparse.Namespace) -> int:
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


def table(options: argparse.Namespace) -> None:
    from harmonic.evaluation.runs import read_runs, runs_table

    runs = read_runs([str(path) for path in options.runs], answers=False)
    print(runs_table(runs).to_csv(index=False, lineterminator="\n"), end="")


def compress(options: argparse.Namespace) -> None:
    from harmonic.evaluation.runs import read_runs
    from studies.compression.networks import Options, chosen_runs, measure

    commit = commit_of_code(options)
    settings = Options(options.epochs, options.lr, options.views, options.device)
    runs = read_runs([str(options.runs / options.preset)], answers=False)
    for one in chosen_runs(runs, options.preset, options.data, options.work):
        print(f"{one.run.name}: ", end="", file=sys.stderr, flush=True)
        print(measure(one, settings, options.runs, commit), file=sys.stderr)
