"""What `python -m stages.NAME` does before the stage's own file is imported.

Libraries read their environment once, when they are loaded, so exact mode is set up here; and a
mistake in params.yaml is told before seconds go into importing PyTorch.
"""

import sys
from argparse import ArgumentParser
from pathlib import Path

from harmonic.errors import InputError
from stages.harness.exact import compute_exactly
from stages.harness.launcher import become_launcher
from stages.harness.params import load_params
from stages.harness.parent import end_with_dvc


def start() -> None:
    """Check what every stage relies on, and make this process the one that the stage needs.

    Ends the process with one line and status 1 where params.yaml is wrong.
    """
    name = sys.orig_argv[sys.orig_argv.index("-m") + 1].removeprefix("stages.")
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    options, others = parser.parse_known_args(sys.argv[1:])
    try:
        if "-h" in others or "--help" in others:
            return
        end_with_dvc()
        params = load_params(options.params)
        compute_exactly(name, params)
        if name == "train":
            become_launcher(params.train.launcher, name)
    except InputError as error:
        sys.exit(f"{name}: {' '.join(str(error).split())}")
