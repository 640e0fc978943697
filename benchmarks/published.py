"""Figures for README and results/: recorded from a run, never typed by hand.

    python -m benchmarks.published record NAME --command "dvc exp run …"
    python -m benchmarks.published table

`record` comes after a run, in its folder: it copies the metrics, with the commit, the parameters
and the fingerprint of the data, to results/NAME.json. `table` prints all of them as Markdown.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from harmonic.errors import InputError
from harmonic.files import check_outputs, write_text
from stages.harness.params import load_params

RESULTS = Path("results")
COLUMNS = {
    "balanced_accuracy": "balanced accuracy",
    "macro_auc": "macro AUC",
    "weighted_precision": "weighted precision",
    "weighted_recall": "weighted recall",
}


def record(name: str, command: str, *, force: bool = False) -> Path:
    """Write results/NAME.json from the run in the working directory.

    Raises InputError for a name that is there already, without `force`.
    """
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    check_outputs([("record", path)], force=force)
    revision = ["git", "rev-parse", "--short=12", "HEAD"]
    commit = subprocess.run(revision, capture_output=True, text=True, check=True).stdout.strip()
    params = load_params(Path("params.yaml")).model_dump()
    document = {
        "command": command,
        "commit": commit,
        "params": params | {"archive": Path(params["archive"]).name},
        "data": read(Path("data/fingerprint.json")),
        "training": read(Path("logs/train.json")),
        "metrics": read(Path("reports/metrics.json")),
    }
    write_text(path, json.dumps(document, indent=2, sort_keys=True) + "\n")
    return path


def read(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path} is not there: run the pipeline first") from None
    return found


def table(documents: list[dict[str, Any]]) -> str:
    """The runs as a Markdown table, a row a run, each figure with its 95 % interval."""
    heads = ["model", *COLUMNS.values(), "epochs", "commit", "command"]
    lines = [" | ".join(heads), " | ".join("---" for _ in heads)]
    for document in documents:
        metrics = document["metrics"]
        figures = [
            f"{metrics[name]:.3f} [{metrics[f'{name}_low']:.3f}, {metrics[f'{name}_high']:.3f}]"
            for name in COLUMNS
        ]
        params = document["params"]
        cells = [params["model"], *figures, str(params["epochs"])]
        cells += [document["commit"], f"`{document['command']}`"]
        lines.append(" | ".join(cells))
    return "\n".join(f"| {line} |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.published",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", required=True)
    recording = actions.add_parser("record", help="write results/NAME.json from the run here")
    recording.add_argument("name")
    recording.add_argument("--command", required=True, help="the command that made the run")
    recording.add_argument("--force", action="store_true", help="replace what is there already")
    actions.add_parser("table", help="print the table of the README")
    options = parser.parse_args()
    try:
        if options.action == "record":
            print(record(options.name, options.command, force=options.force))
        else:
            print(table([read(path) for path in sorted(RESULTS.glob("*-64px.json"))]))
    except InputError as error:
        print(f"published: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
