"""python -m studies run: arms × seeds × folds of a preset, one folder for each run."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from harmonic.errors import InputError

CODE = ["harmonic", "stages", "studies", "params.yaml", "dvc.yaml"]
"""What a run depends on; it has to be committed."""


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    from studies.presets import PRESETS

    parser = commands.add_parser(
        "run",
        help="arms × seeds × folds of a preset, one folder for each run",
        description="Trains and evaluates every run of a preset that has no folder yet. What was "
        "killed goes on from its last epoch; several of these may run side by side, and the "
        "folders of several machines may be copied together. DVC is not needed.",
    )
    parser.add_argument("preset", choices=sorted(PRESETS))
    add_places(parser)
    parser.add_argument("--arms", help="comma-separated; all without")
    parser.add_argument("--seeds", type=numbers, help="comma-separated; the preset's without")
    parser.add_argument("--folds", type=int, default=0, help="cross-validation with this many")
    parser.add_argument("--list", action="store_true", help="say what has its folder, and stop")
    parser.set_defaults(run=run)


def add_places(parser: argparse.ArgumentParser) -> None:
    """The options of every command that trains."""
    parser.add_argument("--archive", type=Path, help="zip or folder of the images")
    parser.add_argument("--runs", type=Path, default=Path("results/runs"), help="(results/runs)")
    parser.add_argument("--work", type=Path, default=Path(".partial/studies"))
    parser.add_argument("--commit", help="of this code, where there is no git repository")


def run(options: argparse.Namespace) -> int:
    from studies.preset_runs import do, runs_of
    from studies.presets import PRESETS

    preset = PRESETS[options.preset]
    arms = options.arms.split(",") if options.arms else list(preset.arms)
    if options.folds < 0 or options.folds == 1:
        raise InputError(f"--folds {options.folds}: 0 (none) or at least 2")
    runs = runs_of(options.preset, arms, options.seeds or preset.seeds, options.folds, options.runs)
    if options.list:
        for line in listed(runs, options.runs):
            print(line)
        return 0
    places, failed = places_of(options), 0
    for number, one in enumerate(runs, start=1):
        print(f"[{number}/{len(runs)}] {one.study} {one.name}: ", end="", flush=True)
        try:
            print(do(one, places))
        except InputError as error:
            failed += 1
            print(f"failed: {error}")
    return 1 if failed else 0


def places_of(options: argparse.Namespace):  # type: ignore[no-untyped-def]
    """Where to read and write; raises InputError for an archive or a commit that is not there."""
    from harmonic.learning.launcher import check_launcher
    from harmonic.provenance import clean_commit
    from studies.data import REPOSITORY
    from studies.runner import Places

    check_launcher("python")  # runs are shared out by starting the command again, not by a launcher
    if options.archive is None or not options.archive.exists():
        raise InputError(f"--archive {options.archive} is not there; name a zip or a folder")
    commit = options.commit or clean_commit(REPOSITORY, CODE)
    return Places(options.archive.resolve(), options.work, options.runs, commit)


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def listed(runs: Sequence, folder: Path) -> Iterator[str]:
    """One line per run: whether it has its folder, on whatever data."""
    from studies.runner import is_finished

    for one in runs:
        try:
            said = "there  " if is_finished(one, folder) else "missing"
        except InputError as error:
            said = f"other   ({error})"
        yield f"{said} {one.study} {one.name}"
