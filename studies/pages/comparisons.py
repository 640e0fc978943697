"""What `python -m harmonic compare` says of the arms of a study."""

import io
import shlex
import tempfile
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path

from harmonic.__main__ import main as harmonic
from harmonic.errors import InputError

KINDS = "cnn,harmonic,harmonic-level3,harmonic-l1,harmonic-level2"
ARGUMENTS = {
    "comparison": "results/runs/small --arms cnn,harmonic",
    "kinds": f"results/runs/small --arms {KINDS}",
    "comparison_long": "results/runs/long",
    "comparison_mixed": "results/runs/full-100-mixed",
}


def compared(name: str, results: Path) -> dict[str, str | bytes]:
    """The page NAME.md and the plot NAME.svg."""
    runs, *options = shlex.split(ARGUMENTS[name])
    place = str(results / Path(runs).relative_to("results"))
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(io.StringIO()) as printed:
        plot = Path(folder) / f"{name}.svg"
        if harmonic(["compare", place, *options, "--plot", str(plot)]):
            raise InputError(f"{name}.md: the comparison failed")
        drawing = plot.read_bytes()
    command = f"python -m harmonic compare {ARGUMENTS[name]} --plot results/{name}.svg"
    return {f"{name}.md": f"`{command}`\n\n{printed.getvalue()}", f"{name}.svg": drawing}


comparison = partial(compared, "comparison")
kinds = partial(compared, "kinds")
comparison_long = partial(compared, "comparison_long")
comparison_mixed = partial(compared, "comparison_mixed")
