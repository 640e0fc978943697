"""python -m studies table: all runs as one table, derived from their folders."""

import argparse
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "table",
        help="all runs as one CSV table, derived from their folders",
        description="Prints one row per run: what run.json says, every figure, and the parameters "
        "in which the runs differ, as params.<key>.",
    )
    parser.add_argument(
        "runs", nargs="*", type=Path, default=[Path("results/runs")], help="(results/runs)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from harmonic.evaluation.runs import read_runs, runs_table

    runs = read_runs([str(path) for path in options.runs], answers=False)
    print(runs_table(runs).to_csv(index=False, lineterminator="\n"), end="")
