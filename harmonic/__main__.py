"""python -m harmonic: the library's commands, each a module of harmonic.commands."""

import argparse
import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

from harmonic import commands
from harmonic.errors import one_line, printable


def main(arguments: Sequence[str] | None = None) -> int:
    return run_commands("harmonic", "Harmonic networks.", commands, arguments)


def run_commands(
    name: str, description: str, package: ModuleType, arguments: Sequence[str] | None
) -> int:
    """Run one command of `python -m name`, whose commands are the modules of a package.

    Returns the exit status. Wrong values print one line and return 1.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    os.environ.pop("MPLBACKEND", None)  # a notebook's stops the import, and no window is opened
    parser = argparse.ArgumentParser(prog=f"python -m {name}", description=description)
    subparsers = parser.add_subparsers(
        title="commands", metavar="command", required=True, dest="command"
    )
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        import_module(module.name).add(subparsers)
    options = parser.parse_args(arguments)
    try:
        status = int(options.run(options) or 0)
        sys.stdout.flush()
        return status
    except BrokenPipeError:  # whoever read the output has enough
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  nothing is left to flush
        return 1
    except KeyboardInterrupt:
        print(f"{parser.prog}: interrupted", file=sys.stderr)
        return 130
    except (ValueError, OSError) as error:
        print(f"{parser.prog}: {printable(error)}", file=sys.stderr)
        return 1
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if not missing or missing in ("harmonic", "studies", "stages"):
            raise
        extra = "predict" if options.command in ("predict", "export") else "pipeline"
        how = f"pip install 'harmonic-networks[{extra}]'"
        print(f"{parser.prog}: {missing} is not installed: {how}", file=sys.stderr)
        return 1
    except MemoryError as error:
        what = f"needs more memory than there is ({one_line(error)})"
        print(f"{parser.prog}: {what}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
