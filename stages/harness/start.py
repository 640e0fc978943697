"""What `python -m stages.NAME` does before the stage's own file is imported.

Libraries read their environment once, when they are loaded, so exact mode is set up here; and a
mistake in params.yaml is told before seconds go into importing PyTorch.
"""

import ctypes
import os
import shlex
import signal
import sys
from argparse import ArgumentParser
from pathlib import Path

from harmonic.errors import InputError
from stages.harness.exact import compute_exactly
from stages.harness.params import load_params

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def start() -> None:
    """Check what every stage relies on, and make this process the one that the stage needs."""
    os.environ.pop("MPLBACKEND", None)  # a notebook's stops the import, and no window is opened
    os.environ["TORCH_DEVICE_BACKEND_AUTOLOAD"] = "0"  # torch would run any package's plugin
    name = sys.orig_argv[sys.orig_argv.index("-m") + 1].removeprefix("stages.")
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    options, others = parser.parse_known_args(sys.argv[1:])
    if "-h" in others or "--help" in others:
        return
    end_with_dvc()
    try:
        params = load_params(options.params)
        compute_exactly(name, params)
    except InputError as error:
        sys.exit(f"{name}: {' '.join(str(error).split())}")
    if name == "train":
        become_launcher(params.train.launcher, name)


def end_with_dvc() -> None:
    """Be interrupted, as by Ctrl-C, when the DVC that started this process dies, or by SIGTERM.

    The kernel tells of a parent's death (Linux alone); the shell between the two is the stage.
    """
    if "DVC_STAGE" not in os.environ or not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was asked
        raise KeyboardInterrupt


def become_launcher(launcher: str, stage: str) -> None:
    """Replace this process by torchrun, which starts the stage again, once for each process.

    It keeps its id and parent, and so ends with DVC; torchrun then ends those that it started.
    """
    program, *options = shlex.split(launcher)
    if program != "torchrun" or started_by_torchrun():
        return
    command = [sys.executable, "-m", "torch.distributed.run", *options, "-m", f"stages.{stage}"]
    sys.stdout.flush()
    os.execv(sys.executable, [*command, *sys.argv[1:]])


def started_by_torchrun() -> bool:
    """By its parent, as an earlier torchrun may have left its variables in the environment."""
    parent = Path(f"/proc/{os.getppid()}/cmdline")
    if not parent.is_file():  # no Linux: what the environment says must do
        return {"TORCHELASTIC_RUN_ID", "RANK"} <= os.environ.keys()
    words = parent.read_bytes().split(b"\0")  # one may hold the launcher's name: dvc exp run -S …
    return b"torch.distributed.run" in words or any(
        word.endswith(b"/torchrun") for word in words[:2]
    )
