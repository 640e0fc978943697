"""Report: one page that shows what was run and how good it is; every figure comes from a file.

Reads what the other stages wrote, and asks the network some of it again: a file that does not fit
the others is doubted on the page.
"""

import sys
from dataclasses import fields
from functools import partial

from harmonic.errors import printable
from harmonic.learning.device import choose_device
from harmonic.report.files import RunFiles
from harmonic.report.reading import read_contents
from harmonic.report.render import draw_figures, render_card, render_report
from stages.harness.exact import device_of
from stages.harness.stage import Stage, run_stage


def work(stage: Stage) -> None:
    device = choose_device(device_of(stage.params))
    contents = read_contents(RunFiles(**vars(stage.reads)), stage.params.model_dump(), device)
    figures = draw_figures(contents)
    stage.writes.plots.mkdir(exist_ok=True)
    for name, content in figures.items():
        (stage.writes.plots / name).write_bytes(content)
    stage.writes.report.write_text(render_report(contents, figures), encoding="utf-8")
    stage.writes.card.write_text(render_card(contents), encoding="utf-8")
    for line in contents.doubts:
        print(f"report: warning: {printable(line)}", file=sys.stderr)
    print("report: open reports/report.html")


READS = [field.name for field in fields(RunFiles)]
main = partial(run_stage, "report", work, reads=READS, writes=["report", "card", "plots"])

if __name__ == "__main__":
    sys.exit(main())
