"""python -m harmonic bench: what the layers cost on this machine."""

import argparse
import os
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = commands.add_parser(
        "bench",
        help="time and memory of plain and harmonic convolutions, side by side",
        description="Measures nn.Conv2d, harmonic, harmonic with batch norm (two ways) and folded "
        "layers and a network in one run, and prints a table.",
    )
    parser.add_argument("--rounds", type=int, default=25, help="rounds to take medians over (25)")
    parser.add_argument("--network", default="small", help="a name for build_network (small)")
    parser.add_argument("--device", default="auto", help="cpu, cuda … (a GPU where there is one)")
    parser.add_argument("--threads", type=int, help="CPU threads (torch's choice)")
    parser.add_argument("--output", type=Path, help="also write the table to this Markdown file")
    parser.add_argument("--force", action="store_true", help="replace what is there already")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from harmonic.files import check_outputs, write_text

    check_outputs([("--output", options.output)], force=options.force)
    os.environ.setdefault("KINETO_LOG_LEVEL", "6")  # the memory profiler would tell of each start
    from harmonic.bench.layers import bench

    table = bench(
        rounds=options.rounds,
        network=options.network,
        device=options.device,
        threads=options.threads,
    )
    print(table, end="")
    if options.output is not None:
        write_text(options.output, table)
