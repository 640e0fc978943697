"""python -m reproduction check | gate | record"""

import argparse
import sys
from pathlib import Path

from harmonic.errors import InputError
from reproduction.environment import RECORD, write_record


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m reproduction", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser(
        "check", help="run the last commit from nothing, compare with dvc.lock"
    )
    checking.add_argument("stage", nargs="?", help="the last stage to run; all without it")
    commands.add_parser("gate", help="compare dvc.lock with code and parameters, running nothing")
    commands.add_parser("record", help=f"write {RECORD}: dvc.lock was made on this machine")
    arguments = parser.parse_args()
    command = arguments.command
    root = Path.cwd()
    try:
        if command == "check":
            from reproduction.check import check

            return check(root, arguments.stage)
        if command == "gate":
            from reproduction.gate import gate

            return gate(root)
        write_record(root)
        return 0
    except InputError as error:
        print(f"{command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
