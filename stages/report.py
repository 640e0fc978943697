"""Report: one page that shows what was run and how good it is; every figure comes from a file.

Reads what the other stages wrote, and logs/ and the commit where there are any; so this page,
unlike every other output, may differ from run to run.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from stages.harness.stage import LOGS, Stage, run_stage

READS = (
    "fingerprint",
    "raw",
    "hairless",
    "split",
    "lr_range",
    "history",
    "model",
    "metrics",
    "predictions",
    "predictions_natural",
)
STAGES = ["download", "verify", "remove_hair", "resize", "split", "find_lr", "train", "evaluate"]
HAIR_PAIRS = 6


def work(stage: Stage) -> None:
    import pandas as pd
    from tqdm import tqdm

    from harmonic.evaluation.report import render_report
    from harmonic.evaluation.report_contents import Predictions, ReportContents
    from harmonic.evaluation.report_figures import draw_figures
    from harmonic.evaluation.rules import uncalibrated_rule
    from harmonic.evaluation.spectra import layer_spectra
    from harmonic.learning.model_file import load_model

    reads = stage.reads
    model, description = load_model(reads.model)
    split = pd.read_csv(reads.split, dtype=str)
    metrics = read_json(reads.metrics)
    balanced, natural, labels = predictions_of(reads.predictions, reads.predictions_natural, split)
    uncalibrated = uncalibrated_rule(balanced, description.class_counts, metrics["temperature"])
    contents = ReportContents(
        metrics=metrics,
        predictions=Predictions(labels, balanced, natural, uncalibrated),
        params=stage.params.model_dump(),
        commit=commit(),
        fingerprint=read_json(reads.fingerprint),
        logs=[
            read_json(LOGS / f"{name}.json") for name in STAGES if (LOGS / f"{name}.json").is_file()
        ],
        split=split,
        history=pd.read_csv(reads.history),
        lr_curve=pd.read_csv(reads.lr_range / "curve.csv"),
        lr_suggestion={
            name: value
            for name, value in read_json(reads.lr_range / "suggestion.json").items()
            if value is not None
        },
        spectra=layer_spectra(model),
        hair_pairs=hair_pairs(reads.raw / "images", reads.hairless, split.image_id.tolist()),
    )
    with tqdm(total=2, desc="report", unit="part", disable=None) as bar:
        stage.writes.plots.mkdir(exist_ok=True)
        for name, content in draw_figures(contents).items():
            (stage.writes.plots / name).write_bytes(content)
        bar.update()
        stage.writes.report.write_text(render_report(contents), encoding="utf-8")
        bar.update()
    print("report: open reports/report.html")


def read_json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def predictions_of(balanced: Path, natural: Path, split: Any) -> tuple[Any, Any, Any]:
    """The probabilities by both rules (n, 7) and the labels (n,) of the test images."""
    from harmonic.data.classes import CLASSES
    from harmonic.errors import InputError
    from harmonic.evaluation.predictions import read_predictions

    image_ids, by_balanced_rule = read_predictions(balanced)
    others, by_natural_rule = read_predictions(natural)
    if image_ids != others:
        raise InputError(f"{balanced} and {natural} are not of the same images")
    labels = split.set_index("image_id").dx.loc[image_ids].map(CLASSES.index).to_numpy()
    return by_balanced_rule, by_natural_rule, labels


def hair_pairs(before: Path, after: Path, image_ids: list[str]) -> list[Any]:
    """The first images in which hair was found, spread over the data set."""
    from harmonic.evaluation.report_contents import HairPair
    from harmonic.images.decode import read_rgb

    pairs = []
    for image_id in image_ids[:: max(1, len(image_ids) // 200)]:
        old, new = before / f"{image_id}.jpg", after / f"{image_id}.jpg"
        if old.read_bytes() != new.read_bytes():
            pairs.append(HairPair(image_id, read_rgb(old), read_rgb(new)))
        if len(pairs) == HAIR_PAIRS:
            break
    return pairs


def commit() -> str | None:
    """The revision of the code, marked where files differ from it; None outside git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def main() -> int:
    return run_stage("report", work, reads=READS, writes=["report", "plots"])


if __name__ == "__main__":
    sys.exit(main())
