"""Runs made by the pipeline itself, `dvc exp run`: each figure with its interval."""

import math
from pathlib import Path

from harmonic.markdown import markdown_table, with_interval
from studies.pages.reading import runs_of_study

COLUMNS = {
    "balanced_accuracy": "balanced accuracy",
    "macro_auc": "macro AUC",
    "weighted_precision": "weighted precision",
    "weighted_recall": "weighted recall",
}
TEXT = """\
# Longer runs, made by the pipeline

`python -m studies pages pipeline.md`, from `results/runs/pipeline`. In brackets 95 %
intervals over test lesions.

"""


def page(results: Path) -> dict[str, str | bytes]:
    rows = []
    for run in runs_of_study(results, "pipeline", answers=False):
        found = run.metrics
        figures = [
            with_interval(
                found[name],
                found.get(f"{name}_low", math.nan),
                found.get(f"{name}_high", math.nan),
            )
            for name in COLUMNS
        ]
        told = [run.traits["epochs"], run.commit, f"`{run.record['command']}`"]
        rows.append([run.traits["model"], *figures, *told])
    heads = ["model", *COLUMNS.values(), "epochs", "commit", "command"]
    return {"pipeline.md": TEXT + markdown_table(heads, rows)}
