"""Report: one page that shows what was run and how good it is; every figure comes from a file.

Reads what the other stages wrote, and logs/ and the commit where there are any; so this page,
unlike every other output, may differ from run to run.
"""

import subprocess
import sys
from dataclasses import fields

from tqdm import tqdm

from harmonic.report.files import RunFiles
from harmonic.report.reading import read_contents
from harmonic.report.render import draw_figures, render_card, render_report
from stages.harness.stage import LOGS, Stage, run_stage

STAGES = ["download", "verify", "remove_hair", "resize", "split", "find_lr", "train", "evaluate"]


def work(stage: Stage) -> None:
    files = RunFiles(**vars(stage.reads))
    logs = [LOGS / f"{name}.json" for name in STAGES]
    contents = read_contents(files, stage.params.model_dump(), logs, commit())
    with tqdm(total=2, desc="report", unit="part", disable=None) as bar:
        stage.writes.plots.mkdir(exist_ok=True)
        for name, content in draw_figures(contents).items():
            (stage.writes.plots / name).write_bytes(content)
        bar.update()
        stage.writes.report.write_text(render_report(contents), encoding="utf-8")
        stage.writes.card.write_text(render_card(contents), encoding="utf-8")
        bar.update()
    for line in contents.doubts:
        print(f"report: warning: {line}", file=sys.stderr)
    print("report: open reports/report.html")


def commit() -> str | None:
    """The revision of the code, marked where files differ from it; None outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def main() -> int:
    reads = [field.name for field in fields(RunFiles)]
    return run_stage("report", work, reads=reads, writes=["report", "card", "plots"])


if __name__ == "__main__":
    sys.exit(main())
