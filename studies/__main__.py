"""python -m studies: experiments, and the pages of results/ made of them."""

import sys
from collections.abc import Sequence

from harmonic.__main__ import run_commands
from studies import commands


def main(arguments: Sequence[str] | None = None) -> int:
    return run_commands("studies", "Experiments and their pages.", commands, arguments)


if __name__ == "__main__":
    sys.exit(main())
