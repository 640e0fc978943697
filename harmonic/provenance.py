"""Which code made a result: the commit, and whether files differ from it."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

from harmonic.errors import InputError


def commit_of(folder: Path) -> str | None:
    """The revision of the code in `folder`, "-dirty" where files differ; None outside git."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return found.stdout.strip() or None


def clean_commit(folder: Path, code: Sequence[str]) -> str:
    """The last commit that changed the code that is about to run.

    Later ones, of results or pages, leave it as it is: unfinished work goes on.
    Raises InputError where one of the paths `code` differs from it: a run could not be traced to
    its code.
    """
    git = ["git", "-C", str(folder)]
    try:
        status = [*git, "status", "--porcelain", *code]
        changed = subprocess.run(status, capture_output=True, text=True, check=True).stdout
        last = [*git, "log", "-1", "--format=%h", "--abbrev=12", "--", *code]
        commit = subprocess.run(last, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        raise InputError("no git repository here: say which commit this is with --commit") from None
    if changed:
        names = ", ".join(line[3:] for line in changed.splitlines()[:3])
        raise InputError(f"uncommitted changes ({names}): commit them, runs name their commit")
    return commit
