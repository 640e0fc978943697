"""The table of `python -m harmonic bench`, from a checkout: python -m benchmarks.layers --help."""

import sys

from harmonic.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["bench", *sys.argv[1:]]))
