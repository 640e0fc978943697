"""python -m reproduction check | gate | record"""

import argparse
import subprocess
import sys
from pathlib import Path

from harmonic.errors import InputError
from reproduction.check import check
from reproduction.environment import RECORD, write_record
from reproduction.gate import gate


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m reproduction", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    checking = commands.add_parser(
        "check", help="run the last commit from nothing, compare with dvc.lock"
    )
    checking.add_argument("stage", nargs="?", help="the last stage to run; all without it")
    commands.add_parser("gate", help="compare dvc.lock with code and parameters, running nothing")
    commands.add_parser("record", help=f"write {RECORD}: dvc.lock was made on this machine")
    arguments, root = parser.parse_args(), Path.cwd()
    try:
        if subprocess.run(["git", "rev-parse"], capture_output=True, check=False).returncode:
            how = "git init && git add --all && git commit --message start"
            raise InputError(f"{root} is in no git repository: {how}")
        if arguments.command == "check":
            return check(root, arguments.stage)
        return gate(root) if arguments.command == "gate" else write_record(root)
    except InputError as error:
        print(f"{arguments.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"{arguments.command}: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
