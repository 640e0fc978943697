"""A stage that several processes do together: all but the first, which `run_stage` runs, follow.

A follower takes part in the work and writes nothing that stays.
"""

import os
import sys
import tempfile
from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path

from harmonic.errors import InputError
from stages.harness.exact import compute_exactly
from stages.harness.launcher import check_processes
from stages.harness.params import load_params
from stages.harness.parent import end_with_dvc
from stages.harness.partial import stage_digest
from stages.harness.stage import Stage, parse


def is_follower() -> bool:
    """Does the environment call this process another than the first?

    Whether it is right in that, `check_launcher` of harmonic.learning.launcher says.
    """
    return os.environ.get("RANK", "").lstrip("0") != ""


def follow_stage(
    name: str,
    work: Callable[[Stage], None],
    *,
    reads: Sequence[str] = (),
    writes: Sequence[str],
    argv: Sequence[str] | None = None,
) -> int:
    """Do the work as `run_stage` does, in a folder that is thrown away; return the exit status."""
    try:
        end_with_dvc()
        paths = parse(name, work, [*reads, *writes], argv)
        params = load_params(paths.params)
        compute_exactly(name, params)
        check_processes(name, params)
        inputs = {read: getattr(paths, read) for read in reads}
        with tempfile.TemporaryDirectory() as folder:
            partial = Path(folder) / stage_digest(name, params, inputs.values())
            partial.mkdir()
            written = Namespace(**{write: partial / getattr(paths, write).name for write in writes})
            work(Stage(name, params, Namespace(**inputs), written, partial))
    except InputError as error:
        line = " ".join(str(error).split())
        print(f"{name}, process {os.environ['RANK']}: {line}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:  # the first process says so
        return 130
    return 0
