"""What happens around the work of a stage: the command line, the checks, the errors, the log.

A stage module is its work and one call of `run_stage`. Inputs and outputs are named options of the
command line, so that every path stands in dvc.yaml, in `cmd`.
"""

import argparse
import errno
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harmonic.errors import InputError
from stages.harness.exact import compute_exactly
from stages.harness.launcher import check_processes
from stages.harness.params import Params, load_params
from stages.harness.parent import end_with_dvc
from stages.harness.partial import (
    PARTIAL,
    listed_deps,
    listed_outs,
    locked,
    move_into_place,
    stage_digest,
    write_json,
)
from stages.harness.reads import imported, unlisted, watch_opened
from stages.harness.recorded import refuse_other_bytes

LOGS = Path("logs")


@dataclass(frozen=True)
class Stage:
    """A running stage: its parameters, where to read, and where to write unfinished results."""

    name: str
    params: Params
    reads: argparse.Namespace
    """The inputs' paths, by name: `stage.reads.index`."""
    writes: argparse.Namespace
    """Paths inside the unfinished work, by name; moved into place when the work returns."""
    partial: Path
    """The folder of the unfinished work, kept when the stage is interrupted."""
    log: dict[str, Any] = field(default_factory=dict)
    """What may differ from run to run (speed, hardware); goes to logs/, never into an output."""


def run_stage(
    name: str,
    work: Callable[[Stage], None],
    *,
    reads: Sequence[str] = (),
    writes: Sequence[str],
    argv: Sequence[str] | None = None,
) -> int:
    """Do the work of one stage; return the exit status.

    The parameters are checked before anything else. `work` writes to `stage.writes`; when it
    returns, every output is moved to the place that the command line names. Bad input is one line
    on standard error and status 1.
    """
    opened = watch_opened() if "DVC_STAGE" in os.environ else set()
    try:
        end_with_dvc()
        paths = parse(name, work, [*reads, *writes], argv)
        params = load_params(paths.params)
        compute_exactly(name, params)
        check_processes(name, params)
        with locked(name):
            attempt(name, work, params, paths, reads, writes, opened)
    except InputError as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{name}: interrupted; the next run goes on from here", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS):
            raise
        print(f"{name}: {error.strerror}: {error.filename or 'while writing'}", file=sys.stderr)
        return 1
    return 0


def attempt(
    name: str,
    work: Callable[[Stage], None],
    params: Params,
    paths: argparse.Namespace,
    reads: Sequence[str],
    writes: Sequence[str],
    opened: Set[str],
) -> None:
    inputs = {read: getattr(paths, read) for read in reads}
    for read, path in inputs.items():
        if not path.exists():
            raise InputError(
                f"--{read} {path} is not there; what other stages write, `dvc repro` makes first"
            )
    if "DVC_STAGE" in os.environ:
        refuse_other_bytes(inputs.values())
    places: dict[str, Path] = {write: getattr(paths, write) for write in writes}
    for write, place in places.items():
        check_place(f"--{write} {place}", place, inputs.values(), own=listed_outs(name))
    partial = PARTIAL / name / stage_digest(name, params, inputs.values())
    partial.mkdir(parents=True, exist_ok=True)
    unfinished = {write: partial / place.name for write, place in places.items()}
    stage = Stage(
        name, params, argparse.Namespace(**inputs), argparse.Namespace(**unfinished), partial
    )
    started, clock = datetime.now(UTC), time.perf_counter()
    work(stage)
    note_unlisted_reads(stage, opened)
    for write, place in places.items():
        move_into_place(unfinished[write], place)
    write_log(stage, started, time.perf_counter() - clock)
    shutil.rmtree(partial)


def check_place(name: str, place: Path, inputs: Iterable[Path], own: Set[str]) -> None:
    """Raises InputError where an output would take the place of an input, or, when the stage is
    started by hand, of a file or a folder with files in it that dvc.yaml does not call the stage's
    `own`: it may be anyone's."""
    for path in inputs:
        if place.resolve() in (path.resolve(), *path.resolve().parents):
            raise InputError(f"{name}: would replace the input {path}; give another place")
    if "DVC_STAGE" in os.environ or place.as_posix() in own:
        return
    if place.is_dir() and any(place.iterdir()):
        raise InputError(f"{name}: is a folder with files in it; remove it first, as DVC does")
    if place.is_file():
        raise InputError(f"{name}: is there already; remove it first, or give another place")


def note_unlisted_reads(stage: Stage, opened: Set[str]) -> None:
    """Warn of files that the result may depend on without DVC knowing."""
    listed = [*listed_deps(stage.name, stage.params), *map(str, vars(stage.reads).values())]
    if found := unlisted({*opened, *imported()}, listed):
        stage.log["unlisted_reads"] = found
        print(
            f"{stage.name}: warning: reads {', '.join(found)}, which dvc.yaml does not list; "
            "DVC will not see a change there",
            file=sys.stderr,
        )


def parse(
    name: str, work: Callable[[Stage], None], options: Sequence[str], argv: Sequence[str] | None
) -> argparse.Namespace:
    module = sys.modules[work.__module__]
    parser = argparse.ArgumentParser(
        prog=f"python -m stages.{name}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option in options:
        parser.add_argument(f"--{option.replace('_', '-')}", type=Path, required=True)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    return parser.parse_args(argv)


def write_log(stage: Stage, started: datetime, seconds: float) -> None:
    host = {
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
    }
    if "torch" in sys.modules:
        host["torch"] = str(sys.modules["torch"].__version__)
    record = {
        "stage": stage.name,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "host": host,
        **stage.log,
    }
    unfinished = stage.partial / "log.json"
    write_json(unfinished, record)
    move_into_place(unfinished, LOGS / f"{stage.name}.json")
