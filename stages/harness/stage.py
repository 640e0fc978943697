"""What happens around the work of a stage: the command line, the checks, the errors, the log.

A stage module is its work and one call of `run_stage`. Inputs and outputs are named options of the
command line, so that every path stands in dvc.yaml, in `cmd`.
"""

import os
import platform
import sys
import tempfile
import time
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harmonic.errors import InputError, one_line, printable
from harmonic.files import write_json
from harmonic.learning.launcher import check_launcher
from harmonic.provenance import commit_of
from stages.harness.exact import compute_exactly
from stages.harness.params import Params, load_params
from stages.harness.partial import (
    clear_done,
    locked,
    mark_done,
    move_into_place,
    stage_digest,
)
from stages.harness.pipeline import outputs, read_pipeline
from stages.harness.recorded import refuse_other_bytes, refuse_other_params

LOGS = Path("logs")


@dataclass(frozen=True)
class Stage:
    """A running stage: its parameters, where to read, and where to write unfinished results."""

    name: str
    params: Params
    reads: Namespace
    """The inputs' paths, by name: `stage.reads.index`."""
    writes: Namespace
    """Paths inside the unfinished work, by name; moved into place when the work returns."""
    places: Namespace
    """Where they are moved to. What is to be watched while it grows may be written there, too."""
    partial: Path
    """The folder of the unfinished work, kept when the stage is interrupted."""
    log: dict[str, Any] = field(default_factory=dict)
    """What may differ from run to run; goes to logs/, never into an output."""


Work = Callable[[Stage], None]
Places = dict[str, Path]
"""Paths of the command line, by the name of their option."""


def run_stage(
    name: str,
    work: Work,
    *,
    reads: Sequence[str] = (),
    writes: Sequence[str],
    several: bool = False,
    argv: Sequence[str] | None = None,
) -> int:
    """Do the work of one stage; return the exit status, 1 with one line for bad input.

    `work` writes to `stage.writes`; when it returns, every output is moved to the place that the
    command line names. several: whether a launcher may have several processes do the work together;
    all but the first follow, in a folder that is thrown away.
    """
    follows = several and is_follower()
    who = f"{name}, process {os.environ['RANK']}" if follows else name
    try:
        options = parse(name, work, [*reads, *writes], argv)
        inputs, places = (
            {one: getattr(options, one) for one in names} for names in (reads, writes)
        )
        params = load_params(options.params)
        compute_exactly(name, params)
        if several:
            check_launcher(params.train.launcher)
        with tempfile.TemporaryDirectory() if follows else locked(name) as folder:
            if not follows:
                check(name, params, inputs, places)
            partial = Path(folder) / stage_digest(name, params, inputs.values())
            partial.mkdir(parents=True, exist_ok=True)
            # By option, as two places may have one name.
            unfinished = {one: partial / f"{one}{place.suffix}" for one, place in places.items()}
            found, made, meant = (Namespace(**one) for one in (inputs, unfinished, places))
            stage = Stage(name, params, found, made, meant, partial)
            work(stage) if follows else lead(stage, work, places)
    except InputError as error:
        print(f"{who}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if not follows:
            print(f"{name}: interrupted; {what_follows(Path.cwd())}", file=sys.stderr)
        return 130
    except OSError as error:  # a full disk, no right to write, a folder that somebody removed
        what = f"{error.strerror}: {error.filename or 'while writing'}"
        print(f"{who}: {printable(what)}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"{who}: needs more memory than there is ({one_line(error)})", file=sys.stderr)
        return 1
    return 0


def what_follows(project: Path) -> str:
    """Of unfinished work: DVC gives each `--temp` or queued experiment a new folder."""
    if {".dvc", "exps"} <= {*project.parts}:
        return f"the next such experiment begins anew, so `rm -rf {project}` clears what is left"
    return "the next run goes on from here"


def is_follower() -> bool:
    """Does the environment call this process another than the first? (Rightly: check_launcher.)"""
    return os.environ.get("RANK", "").lstrip("0") != ""


def check(name: str, params: Params, inputs: Places, places: Places) -> None:
    """InputError where an input is not there or not what dvc.lock records, or a place is taken."""
    for read, path in inputs.items():
        if not path.exists():
            raise InputError(
                f"--{read} {path} is not there; what other stages write, `dvc repro` makes first"
            )
    if "DVC_STAGE" in os.environ:
        refuse_other_bytes(inputs.values())
        refuse_other_params(inputs.values(), params)
    for write, place in places.items():
        for other, taken in places.items():
            if other != write and taken.resolve() in (place.resolve(), *place.resolve().parents):
                raise InputError(f"--{write} {place}: is where --{other} goes; give another place")
    own = outputs(read_pipeline()[name])
    for write, place in places.items():
        check_place(f"--{write} {place}", place, inputs.values(), own)


def lead(stage: Stage, work: Work, places: Places) -> None:
    """Do the work as the one process that writes: work, move, log."""
    clear_done(stage.partial)
    started, clock = datetime.now(UTC), time.perf_counter()
    work(stage)
    for write, place in places.items():
        move_into_place(getattr(stage.writes, write), place)
    write_log(stage, started, time.perf_counter() - clock)
    mark_done(stage.partial)


def check_place(name: str, place: Path, inputs: Iterable[Path], own: Sequence[str]) -> None:
    """Raises InputError where an output would take the place of an input or, when the stage is
    started by hand, of what may be anyone's: what is there and not, by dvc.yaml, the stage's own.
    """
    for path in inputs:
        if place.resolve() in (path.resolve(), *path.resolve().parents):
            raise InputError(f"{name}: would replace the input {path}; give another place")
    if place.exists() and not (place.is_file() or place.is_dir()):
        raise InputError(f"{name}: is a device or a pipe, and is not replaced; give another place")
    if "DVC_STAGE" in os.environ or place.as_posix() in own:
        return
    if place.is_dir() and any(place.iterdir()):
        raise InputError(f"{name}: is a folder with files in it; remove it first, as DVC does")
    if place.is_file():
        raise InputError(f"{name}: is there already; remove it first, or give another place")


def parse(name: str, work: Work, options: Sequence[str], argv: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(
        prog=f"python -m stages.{name}",
        description=sys.modules[work.__module__].__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    for option in options:
        parser.add_argument(f"--{option.replace('_', '-')}", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    return parser.parse_args(argv)


def write_log(stage: Stage, started: datetime, seconds: float) -> None:
    """logs/<stage>.json: when, how long, by which code and on what machine the stage ran."""
    host = {
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    if torch := sys.modules.get("torch"):
        host["torch"] = str(torch.__version__)
    record = {
        "stage": stage.name,
        "commit": commit_of(Path()),
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "host": host,
        **stage.log,
    }
    unfinished = stage.partial / "log.json"
    write_json(unfinished, record)
    move_into_place(unfinished, LOGS / f"{stage.name}.json")
