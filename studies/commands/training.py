"""python -m studies run | leak | post-protocol | small-data: every command that trains."""

import argparse
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from harmonic.errors import InputError, printable
from studies.presets import PRESETS


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def at_least_one(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}; allowed is 1 or more")
    return int(text)


@dataclass(frozen=True)
class Command:
    """A study's own options, and the module whose `runs` makes runs of them."""

    help: str
    description: str
    module: str
    options: dict[str, dict[str, Any]]
    """Arguments of `add_argument`, by the option."""


def count(default: int, what: str) -> dict[str, Any]:
    return {"type": at_least_one, "default": default, "help": f"{what} ({default})"}


ARMS = {"type": lambda text: text.split(","), "help": "comma-separated; all without"}
COMMANDS = {
    "run": Command(
        "arms × seeds × folds of a preset, one folder for each run",
        "Trains and evaluates every run of a preset that has no folder yet. What was killed goes "
        "on from its last epoch; several of these may run side by side, and the folders of "
        "several machines may be copied together. DVC is not needed.",
        "studies.preset_runs",
        {
            "preset": {"choices": PRESETS},
            "--arms": ARMS,
            "--seeds": {"type": numbers, "help": "comma-separated; the preset's without"},
            "--folds": {"type": int, "default": 0, "help": "cross-validation with this many"},
            "--list": {"action": "store_true", "help": "say what has its folder, and stop"},
        },
    ),
    "leak": Command(
        "train with and without other photographs of the test lesions",
        "Both arms answer the same test images after training on as many images of each class and "
        "as many lesions, from the same seeds. The page is made by `python -m studies pages "
        "leak.md`.",
        "studies.leak.trial",
        {
            "--seeds": count(3, "trainings of each arm"),
            "--epochs": count(15, "passes over the training set"),
            "--width": count(16, "channels of the first stage"),
            "--image-size": count(64, "pixels"),
            "--design-seed": {"type": int, "default": 0, "help": "of the draw of the sets (0)"},
        },
    ),
    "post-protocol": Command(
        "train and test as the blog post of 2019 did, and see what it left out of sight",
        "Two independent draws for training and test, epoch chosen on the test draw. The page is "
        "made by `python -m studies pages post_protocol.md`.",
        "studies.post_protocol.protocol",
        {
            "--draws": count(2, "pairs of draws"),
            "--epochs": count(40, "the post had 300"),
            "--device": {"default": "auto", "help": "auto, cpu or cuda (auto)"},
        },
    ),
    "small-data": Command(
        "5 to 80 images a class: search rate and decay, then run every arm",
        "Without --gem the splits are drawn by lesion; with it they are GEM's, tested as published "
        "and without the images of lesions seen in training. `search` comes before `run`. The "
        "page is made by `python -m studies pages small_data.md`.",
        "studies.small_data.tasks",
        {
            "what": {"choices": ["search", "run"]},
            "--gem": {"type": Path, "help": "folder of GEM's split files"},
            "--preset": {"choices": ["small", "full"], "default": "small"},
            "--arms": ARMS,
            "--k": {"type": numbers, "default": [80], "help": "images a class (80)"},
            "--seeds": {"type": numbers, "default": [0, 1, 2], "help": "0,1,2"},
        },
    ),
}


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    for name, one in COMMANDS.items():
        parser = commands.add_parser(name, help=one.help, description=one.description)
        parser.add_argument("--archive", type=Path, help="zip or folder of the images")
        add_places(parser)
        for option, arguments in one.options.items():
            parser.add_argument(option, **arguments)
        parser.set_defaults(run=partial(run, one.module))


def add_places(parser: argparse.ArgumentParser) -> None:
    """The options of every command that makes runs."""
    parser.add_argument("--runs", type=Path, default=Path("results/runs"), help="(results/runs)")
    parser.add_argument("--work", type=Path, default=Path(".partial/studies"))
    parser.add_argument("--commit", help="of this code, where there is no git repository")


def run(module: str, options: argparse.Namespace) -> int:
    """Do the runs that a study's module makes of the options, each as if it were the only one."""
    from studies.runner import do, listed

    find = import_module(module).runs
    if getattr(options, "list", False):
        print(*(listed(one, options.runs) for one in find(options, None)), sep="\n")
        return 0
    places = places_of(options)
    runs, failed = find(options, places), 0
    for number, one in enumerate(runs, start=1):
        print(f"[{number}/{len(runs)}] {one.study} {one.name}: ", end="", flush=True)
        try:
            print(do(one, places))
        except (InputError, OSError) as error:  # a full disk, for one; the next may be elsewhere
            failed += 1
            print(f"failed: {printable(error)}")
    return 1 if failed else 0


def places_of(options: argparse.Namespace):  # type: ignore[no-untyped-def]
    """Where to read and write; raises InputError for an archive or a commit that is not there."""
    from harmonic.learning.launcher import check_launcher
    from studies.runner import Places

    check_launcher("python")  # runs are shared out by starting the command again, not by a launcher
    if options.archive is None or not options.archive.exists():
        raise InputError(f"--archive {options.archive} is not there; name a zip or a folder")
    try:
        options.work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--work {options.work}: cannot be made ({error.strerror})") from None
    return Places(options.archive.resolve(), options.work, options.runs, commit_of_code(options))


def commit_of_code(options: argparse.Namespace) -> str:
    from harmonic.provenance import clean_commit
    from studies.data import CODE, REPOSITORY

    return options.commit or clean_commit(REPOSITORY, CODE)
