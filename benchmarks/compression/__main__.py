"""Accuracy against bytes on real data, from networks that benchmarks.grid trained.

    python -m benchmarks.grid small --archive PATH            # the networks
    python -m benchmarks.compression small [--epochs 2]       # results/compression.md and .csv

The arms `harmonic` and `cnn` are made smaller after training in every way (stages/compress.py does
so for one network). Arms of a name that begins with one of these (harmonic-binary, cnn-ternary,
harmonic-level3 …) were trained in their smaller form and are taken as they are. Each file becomes a
row `<preset>-compressed` of results/runs.csv, with its answers beside the table; what has its rows
is not made again. The page is made of them: means over seeds; a change is from the float32 network
of the same seed, on the same resampled lesions.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.compression.networks import Options, chosen_runs, measure
from benchmarks.compression.page import over_seeds, page, scored
from benchmarks.grid.__main__ import commit_here
from benchmarks.grid.table import read_runs
from harmonic.deploy.compression import accuracy_over_bytes
from harmonic.errors import InputError
from harmonic.files import check_outputs, write_bytes, write_text


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.compression",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("preset")
    parser.add_argument("--runs", type=Path, default=Path("results/runs.csv"))
    parser.add_argument("--work", type=Path, default=Path(".partial/grid"))
    parser.add_argument("--data", help="digest of the data, where the preset ran on several")
    parser.add_argument("--epochs", type=int, default=0, help="of fine-tuning (0)")
    parser.add_argument("--lr", type=float, default=3e-4, help="of the fine-tuning (3e-4)")
    parser.add_argument("--views", type=int, choices=(1, 8), default=1)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--commit", help="of this code, where there is no git repository")
    parser.add_argument("--page", action="store_true", help="only make the page from the rows")
    parser.add_argument("--output", type=Path, default=Path("results/compression.md"))
    parser.add_argument("--force", action="store_true", help="replace what is there already")
    options = parser.parse_args(argv)
    output: Path = options.output
    plots = {model: output.with_name(f"{output.stem}-{model}.svg") for model in ("cnn", "harmonic")}
    settings = Options(options.epochs, options.lr, options.views, options.device)
    try:
        check_outputs(
            [("--output", path) for path in (output, output.with_suffix(".csv"), *plots.values())],
            used=[options.runs],
            force=options.force or output == parser.get_default("output"),
        )
        if not options.page:
            commit = options.commit or commit_here()
            runs = read_runs(options.runs)
            for run in chosen_runs(runs, options.preset, options.data, options.work):
                print(f"{run.arm}-seed{run.seed}: ", end="", file=sys.stderr, flush=True)
                print(measure(run, settings, options.runs, commit), file=sys.stderr)
        rows = scored(
            read_runs(options.runs), options.preset, options.runs.parent, options.resamples
        )
        table = over_seeds(rows)
        command = f"python -m benchmarks.compression {options.preset} --epochs {rows.tuned.max()}"
        text = page(table, command, rows)
        write_text(output, text)
        write_text(output.with_suffix(".csv"), table.to_csv(index=False, lineterminator="\n"))
        for model, part in table.groupby("model"):
            write_bytes(plots[model], accuracy_over_bytes(part))
    except InputError as error:
        print(f"compression: {error}", file=sys.stderr)
        return 1
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
