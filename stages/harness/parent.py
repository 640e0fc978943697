"""A stage ends with the `dvc repro` that started it, however that one ends."""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def end_with_dvc() -> None:
    """Be interrupted, as by Ctrl-C, when DVC dies or this process is asked to terminate.

    Without it a stage whose DVC was killed would write on, beside the next run. The kernel tells a
    process of its parent's death (Linux alone); the shell between DVC and a stage replaces itself
    by the stage. Does nothing where DVC did not start this process.
    """
    if "DVC_STAGE" not in os.environ or not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was asked
        raise KeyboardInterrupt
