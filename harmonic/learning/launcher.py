"""Who this process is among those that a launcher such as torchrun started together.

The launcher says so in the environment. What is left there of another program, or of a cluster's
job, must make no lone process wait for others, or take itself for one that need not write.
"""

import os
from dataclasses import dataclass

from harmonic.errors import InputError

NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")
VARIABLES = (*NUMBERS, "MASTER_ADDR")
"""All that processes need to find each other; torchrun sets every one."""


@dataclass(frozen=True)
class Place:
    """This process's number among all, how many they are, and its number on this machine."""

    rank: int
    count: int
    local_rank: int


def launched_place() -> Place:
    """The place that the environment names; that of a lone process where it speaks of no others.

    Raises InputError where RANK or WORLD_SIZE speaks of others and the variables are not a whole,
    consistent set.
    """
    there = {name: os.environ[name] for name in VARIABLES if os.environ.get(name)}
    if there.get("RANK", "0") == "0" and there.get("WORLD_SIZE", "1") == "1":
        return Place(0, 1, 0)
    if missing := [name for name in VARIABLES if name not in there]:
        raise InputError(refusal(there, f"it has no {' and no '.join(missing)}"))
    for name in NUMBERS:
        value = there[name]
        if not (value.isascii() and value.isdigit() and len(value) < 10):
            raise InputError(refusal(there, f"{name} ({value[:20]}) is no whole number"))
    rank, count, local_rank = (int(there[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"))
    if rank >= count or local_rank > rank:
        wrong = "they do not fit together (LOCAL_RANK ≤ RANK < WORLD_SIZE)"
        raise InputError(refusal(there, wrong))
    return Place(rank, count, local_rank)


def check_launcher(launcher: str) -> None:
    """Raises InputError where the environment speaks of several processes and the launcher, that of
    params.yaml, starts one; and what `launched_place` raises."""
    if launched_place().count > 1 and launcher == "python":
        there = {name: os.environ[name] for name in VARIABLES}
        raise InputError(refusal(there, "train.launcher is python, which starts one process"))


def refusal(there: dict[str, str], but: str) -> str:
    """What is wrong with the variables that are there, and what to do."""
    said = [f"{name}={there[name][:20]}" for name in ("RANK", "WORLD_SIZE") if name in there]
    return (
        f"the environment has {' and '.join(said)}, as a launcher of several processes sets them, "
        f"but {but}: `unset {' '.join(VARIABLES)}` to train in one process, or set train.launcher "
        "to what starts them, such as torchrun --standalone --nproc-per-node 2"
    )
