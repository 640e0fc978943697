"""The stages of the pipeline, a module each: `python -m stages.NAME`."""

import sys

from harmonic.errors import InputError
from stages.harness.shadows import refuse_shadows

if sys.argv[0] == "-m":  # a stage is being started, and has imported nothing yet
    try:
        refuse_shadows()
    except InputError as error:
        sys.exit(f"stages: {error}")
