"""Experiments in numbers: arms × seeds × folds, a row of results/runs.csv for each finished run.

    python -m benchmarks.grid small --archive PATH_OF_THE_ZIP
    python -m benchmarks.grid small --archive PATH --arms cnn,harmonic --seeds 0,1,2 --folds 5
    python -m benchmarks.grid small --list

What has its row is not run again, and what was killed goes on from its last epoch; several of these
may run side by side. DVC is not needed.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.grid.presets import PRESETS
from benchmarks.grid.run import Run, do, runs_of
from benchmarks.grid.table import as_text, read_runs
from benchmarks.grid.work import REPOSITORY
from harmonic.errors import InputError


def commit_here() -> str:
    """The commit of the code that is about to run.

    Raises InputError where it differs from the commit: a row could not be traced to its code.
    """
    git = ["git", "-C", str(REPOSITORY)]
    code = ["harmonic", "stages", "benchmarks", "params.yaml", "dvc.yaml"]
    try:
        changed = subprocess.run(
            [*git, "status", "--porcelain", *code],
            capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip
        head = [*git, "rev-parse", "--short=12", "HEAD"]
        commit = subprocess.run(head, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        raise InputError("no git repository here: say which commit this is with --commit") from None
    if changed:
        names = ", ".join(line[3:] for line in changed.splitlines()[:3])
        raise InputError(f"uncommitted changes ({names}): commit them, rows name their commit")
    return commit


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.grid",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("preset", choices=sorted(PRESETS))
    parser.add_argument("--archive", type=Path, help="zip or folder of the images")
    parser.add_argument("--arms", help="comma-separated; all without")
    parser.add_argument("--seeds", type=numbers, help="comma-separated; the preset's without")
    parser.add_argument("--folds", type=int, default=0, help="cross-validation with this many")
    parser.add_argument("--results", type=Path, default=Path("results/runs.csv"))
    parser.add_argument("--work", type=Path, default=Path(".partial/grid"))
    parser.add_argument("--commit", help="of this code, where there is no git repository")
    parser.add_argument("--list", action="store_true", help="say what has its row, and stop")
    options = parser.parse_args(argv)
    try:
        preset = PRESETS[options.preset]
        arms = options.arms.split(",") if options.arms else list(preset.arms)
        if options.folds < 0 or options.folds == 1:
            raise InputError(f"--folds {options.folds}: 0 (none) or at least 2")
        runs = runs_of(options.preset, arms, options.seeds or preset.seeds, options.folds)
        if options.list:
            for line in listed(runs, options.results):
                print(line)
            return 0
        if options.archive is None or not options.archive.exists():
            raise InputError(f"--archive {options.archive} is not there; name a zip or a folder")
        commit = options.commit or commit_here()
    except InputError as error:
        print(f"grid: {error}", file=sys.stderr)
        return 1
    failed = 0
    for number, run in enumerate(runs, start=1):
        print(f"[{number}/{len(runs)}] {run.preset} {run.name}: ", end="", flush=True)
        try:
            print(do(run, options.archive.resolve(), options.work, options.results, commit))
        except InputError as error:
            failed += 1
            print(f"failed: {error}")
    return 1 if failed else 0


def listed(runs: Sequence[Run], results: Path) -> Iterator[str]:
    """A line a run: whether the table has it, on whatever data."""
    table = read_runs(results)
    for run in runs:
        same = (table.preset == run.preset) & (table.overrides == as_text(run.overrides))
        yield f"{'there  ' if same.any() else 'missing'} {run.preset} {run.name}"


if __name__ == "__main__":
    sys.exit(main())
