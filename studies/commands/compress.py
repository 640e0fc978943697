"""python -m studies compress: accuracy against bytes on real data, from networks of a study."""

import argparse
import sys
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
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
    parser.add_argument("--runs", type=Path, default=Path("results/runs"), help="(results/runs)")
    parser.add_argument("--work", type=Path, default=Path(".partial/studies"))
    parser.add_argument("--data", help="digest of the data, where the preset ran on several")
    parser.add_argument("--epochs", type=int, default=0, help="of fine-tuning (0)")
    parser.add_argument("--lr", type=float, default=3e-4, help="of the fine-tuning (3e-4)")
    parser.add_argument("--views", type=int, choices=(1, 8), default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--commit", help="of this code, where there is no git repository")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from harmonic.evaluation.runs import read_runs
    from harmonic.provenance import clean_commit
    from studies.commands.run import CODE
    from studies.compression.networks import Options, chosen_runs, measure
    from studies.data import REPOSITORY

    commit = options.commit or clean_commit(REPOSITORY, CODE)
    settings = Options(options.epochs, options.lr, options.views, options.device)
    runs = read_runs([str(options.runs / options.preset)], answers=False)
    for one in chosen_runs(runs, options.preset, options.data, options.work):
        print(f"{one.arm}-seed{one.seed}: ", end="", file=sys.stderr, flush=True)
        print(measure(one, settings, options.runs, commit), file=sys.stderr)
