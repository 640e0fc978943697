"""A stage that several processes do together is started as one, which becomes their launcher.

So the command in dvc.yaml is the same for every launcher, and what params.yaml says of it is
checked first and never reaches a shell.
"""

import os
import shlex
import sys
from pathlib import Path

from harmonic.learning.launcher import check_launcher
from stages.harness.params import Params


def become_launcher(launcher: str, stage: str) -> None:
    """Replace this process by torchrun, which starts the stage again, once for each process.

    Does nothing where `launcher` is python, or where torchrun started this process; what an earlier
    torchrun left in the environment does not count. The process
    keeps its id and its parent, and so ends with DVC as it would have (see harness/parent.py);
    torchrun then ends those that it started.
    """
    program, *options = shlex.split(launcher)
    if program != "torchrun" or started_by_torchrun():
        return
    command = [sys.executable, "-m", "torch.distributed.run", *options, "-m", f"stages.{stage}"]
    sys.stdout.flush()
    os.execv(sys.executable, [*command, *sys.argv[1:]])


def started_by_torchrun() -> bool:
    """Whether this process's parent is torchrun."""
    parent = Path(f"/proc/{os.getppid()}/cmdline")
    if not parent.is_file():  # no Linux: what the environment says must do
        return {"TORCHELASTIC_RUN_ID", "RANK"} <= os.environ.keys()
    command = parent.read_bytes()
    return b"torch.distributed.run" in command or b"torchrun" in command


def check_processes(stage: str, params: Params) -> None:
    """InputError where the environment calls a process of training one of several, and the
    launcher starts one; what another program left there would make it write nothing."""
    if stage == "train":
        check_launcher(params.train.launcher)
