"""What all commands of `python -m harmonic` share."""

import subprocess
import sys
from pathlib import Path

import harmonic.commands

NAMES = sorted(
    path.stem
    for path in Path(harmonic.commands.__file__).parent.glob("*.py")
    if path.stem[0] != "_"
)

ONLY_THE_STANDARD_LIBRARY = """
import contextlib, sys
from harmonic.__main__ import main
with contextlib.suppress(SystemExit):
    main(["--help"])
sys.exit(" ".join({"numpy", "pandas", "torch"} & set(sys.modules)) or 0)
"""


def test_help_lists_every_module_and_loads_no_heavy_library():
    command = [sys.executable, "-c", ONLY_THE_STANDARD_LIBRARY]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    for name in NAMES:
        assert f"\n    {name} " in result.stdout
