"""The stages of the pipeline, a module each: `python -m stages.NAME`.

One that computes in floating point is named in `harness.exact.STAGES`.
"""

import sys

from stages.harness.shadows import refuse_shadows

if sys.argv[0] == "-m":  # a stage is being started, and has imported nothing yet
    refuse_shadows()
    from stages.harness.start import start

    start()
