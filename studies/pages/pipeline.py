"""Runs made by the pipeline itself, `dvc exp run`: each figure with its interval."""

from pathlib import Path

from harmonic.markdown import markdown_table
from studies.pages.reading import runs_of_studies

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


def table(results: Path) -> str:
    rows = []
    for run in runs_of_studies(results, "pipeline", answers=False):
        figures = [
            f"{run.metrics[name]:.3f} "
            f"[{run.metrics[f'{name}_low']:.3f}, {run.metrics[f'{name}_high']:.3f}]"
            for name in COLUMNS
        ]
        told = [run.traits["epochs"], run.commit, f"`{run.record['command']}`"]
        rows.append([run.traits["model"], *figures, *told])
    return markdown_table(["model", *COLUMNS.values(), "epochs", "commit", "command"], rows)


def page(results: Path) -> dict[str, str | bytes]:
    return {"pipeline.md": TEXT + table(results)}
