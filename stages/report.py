"""Report: one page that shows what was run and how good it is; every figure comes from a file.

Reads what the other stages wrote, and logs/ and the commit where there are any; so this page,
unlike every other output, may differ from run to run.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from harmonic.data.arrays import data_digest, read_labelled_images
from harmonic.data.classes import CLASSES
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.data.metadata import read_metadata
from harmonic.errors import InputError
from harmonic.evaluation.agreement import Evidence, disagreements
from harmonic.evaluation.agreement_of_data import of_fingerprint, of_lr_range, of_split
from harmonic.evaluation.cases import confident_hits, confident_mistakes
from harmonic.evaluation.comparison import compare
from harmonic.evaluation.figures import checked_figure
from harmonic.evaluation.predictions import read_predictions
from harmonic.evaluation.report import render_card, render_report
from harmonic.evaluation.report_contents import Case, HairPair, Kernels, Predictions, ReportContents
from harmonic.evaluation.report_figures import draw_figures
from harmonic.evaluation.rules import uncalibrated_rule
from harmonic.evaluation.runs import read_runs, run_from
from harmonic.evaluation.spectra import first_kernels, layer_spectra
from harmonic.images.decode import read_rgb
from harmonic.learning.batches import as_images, normalised, predict_logits
from harmonic.model_file.description import calibration_of
from harmonic.model_file.safetensors_file import load_model
from harmonic.nn.attribution import grad_cam
from stages.harness.stage import LOGS, Stage, run_stage

READS = (
    "fingerprint",
    "raw",
    "hairless",
    "images",
    "split",
    "lr_range",
    "history",
    "model",
    "metrics",
    "predictions",
    "predictions_natural",
    "per_class",
    "operating_points",
    "subgroups",
)
STAGES = ["download", "verify", "remove_hair", "resize", "split", "find_lr", "train", "evaluate"]
HAIR_PAIRS = 6
MISTAKES = 8


def work(stage: Stage) -> None:
    reads = stage.reads
    model, description = load_model(reads.model)
    split = pd.read_csv(reads.split, dtype=str)
    metrics = read_metrics(reads.metrics)
    tables = {
        "metrics": metrics,
        "per_class": pd.read_csv(reads.per_class),
        "points": pd.read_csv(reads.operating_points),
        "subgroups": pd.read_csv(reads.subgroups, dtype={"value": str}),
        "history": pd.read_csv(reads.history),
    }
    image_ids, balanced, natural, labels = predictions_of(
        reads.predictions, reads.predictions_natural, split
    )
    test = split.set_index("image_id").loc[image_ids]
    kernels = first_kernels(model)
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
        history=tables["history"],
        lr_curve=pd.read_csv(reads.lr_range / "curve.csv"),
        lr_suggestion={
            name: value
            for name, value in read_json(reads.lr_range / "suggestion.json").items()
            if value is not None
        }
        | {"used_lr": stage.params.lr},
        spectra=layer_spectra(model),
        kernels=None if kernels is None else Kernels(*kernels),
        cases=confident_cases(model, description, reads.images, split, test, labels, natural),
        per_class=tables["per_class"],
        operating_points=tables["points"],
        subgroups=tables["subgroups"],
        comparison=against_baseline(stage),
        doubts=doubts(stage, model, description, tables, split, test, balanced, natural),
        hair_pairs=hair_pairs(reads.raw / "images", reads.hairless, split.image_id.tolist()),
    )
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


def read_json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def read_metrics(path: Path) -> dict[str, float]:
    """The figures of metrics.json; raises InputError for an impossible or missing one."""
    metrics = read_json(path)
    for name, value in metrics.items():
        checked_figure(name, value, str(path))
    if "temperature" not in metrics:
        raise InputError(f"{path}: temperature is missing; `evaluate` writes it")
    return metrics


def predictions_of(balanced: Path, natural: Path, split: Any) -> tuple[list[str], Any, Any, Any]:
    """Ids, probabilities by both rules (n, 7), and labels (n,) of the test images.

    Raises InputError where the tables do not answer the test images of the split, each once.
    """
    image_ids, by_balanced_rule = read_predictions(balanced)
    others, by_natural_rule = read_predictions(natural)
    if image_ids != others:
        raise InputError(f"{balanced} and {natural} are not of the same images")
    in_test = set(split[split.split == "test"].image_id)
    if strange := sorted(set(image_ids) - in_test):
        raise InputError(f"{balanced}: image {strange[0]} is no test image of split.csv")
    if missing := sorted(in_test - set(image_ids)):
        raise InputError(
            f"{balanced}: test image {missing[0]} has no answer; {len(image_ids)} of "
            f"{len(in_test)} have one"
        )
    labels = split.set_index("image_id").dx.loc[image_ids].map(CLASSES.index).to_numpy()
    return image_ids, by_balanced_rule, by_natural_rule, labels


def doubts(
    stage: Stage,
    model: Any,
    description: Any,
    files: dict[str, Any],
    split: Any,
    test: Any,
    balanced: Any,
    natural: Any,
) -> list[str]:
    """What of the files does not fit the answers, the network or the data; see `agreement`."""
    reads, settings = stage.reads, stage.params.evaluate
    metadata = read_metadata(reads.raw / "HAM10000_metadata.csv")
    if lines := of_split(split, metadata):
        return lines  # nothing else can be told of other data
    groups = lesion_groups(metadata.image_id, metadata.lesion_id, known_pairs())
    trained_on = description.provenance.get("data")
    if trained_on not in (None, data_digest(reads.images, reads.split)):
        lines = ["split.csv and images.npy are not those that the model was trained on"]
    lines += of_fingerprint(read_json(reads.fingerprint), metadata.assign(lesion_group=groups))
    lines += of_lr_range(
        pd.read_csv(reads.lr_range / "curve.csv"),
        read_json(reads.lr_range / "suggestion.json"),
        lowest=stage.params.find_lr.lowest,
        highest=stage.params.find_lr.highest,
    )
    index = metadata.assign(lesion_group=groups).set_index("image_id")
    index = index.loc[test.index]
    validation = read_labelled_images(reads.images, reads.split).part("val")
    calibration = calibration_of(description, str(reads.model))
    gpu = stage.params.device != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    with torch.no_grad():
        one_view, averaged = (
            predict_logits(
                model.to(device),
                validation.images,
                description.statistics(),
                device,
                view_count=count,
                progress="report: val",
            )
            for count in (1, calibration.views)
        )
    model.to("cpu")
    evidence = Evidence(
        labels=index.dx.map(CLASSES.index).to_numpy(dtype=np.int64),
        lesions=index.lesion_group.to_numpy(dtype=str),
        balanced=balanced,
        natural=natural,
        index=index,
        class_counts=np.array(description.class_counts),
        imbalance=description.imbalance,
        temperature=calibration.temperature,
        epoch=description.provenance.get("epoch"),
        val_labels=validation.labels,
        val_logits=averaged,
        val_logits_one_view=one_view,
        resamples=settings.resamples,
        seed=settings.seed,
    )
    return [*lines, *disagreements(evidence, **files)]


def confident_cases(
    model: Any, description: Any, images: Path, split: Any, test: Any, labels: Any, natural: Any
) -> list[Any]:
    """The surest mistakes and, of each class, the surest right answer, with their evidence."""
    rows = confident_mistakes(labels, test.lesion_id.to_numpy(), natural, MISTAKES)
    rows += confident_hits(labels, natural)
    if not rows:
        return []
    array = np.load(images, mmap_mode="r", allow_pickle=False)
    places = split.index[split.image_id.isin(test.index[rows])]
    place_of = dict(zip(split.image_id[places], places, strict=True))
    pixels = np.stack([array[place_of[image_id]] for image_id in test.index[rows]])
    inputs = normalised(as_images(torch.from_numpy(pixels)), description.statistics())
    answers = natural.argmax(axis=1)
    for_answer = grad_cam(model, inputs, torch.from_numpy(answers[rows])).numpy()
    for_truth = grad_cam(model, inputs, torch.from_numpy(labels[rows])).numpy()
    return [
        Case(
            name=test.index[row],
            truth=CLASSES[labels[row]],
            answer=CLASSES[answers[row]],
            confidence=float(natural[row].max()),
            image=pixels[number],
            for_answer=for_answer[number],
            for_truth=None if answers[row] == labels[row] else for_truth[number],
        )
        for number, row in enumerate(rows)
    ]


def against_baseline(stage: Stage) -> Any:
    """This run against the one that report.baseline names, on the same test set; None for none."""
    name = stage.params.report.baseline
    if name is None:
        return None
    paths = {
        "reports/metrics.json": stage.reads.metrics,
        "reports/predictions.csv": stage.reads.predictions,
        "data/split.csv": stage.reads.split,
    }
    here = run_from("this run", lambda path: paths[path].read_bytes() if path in paths else None)
    baseline = read_runs([name])[0]
    if baseline.test_set != here.test_set:
        raise InputError(
            f"report.baseline {name}: its test set is {baseline.test_set}, that of this run "
            f"{here.test_set}; only runs of one test set can be compared"
        )
    runs = [
        replace(run, traits={"arm": title}, seed=0, fold=None)
        for title, run in ((f"baseline {name}", baseline), ("this run", here))
    ]
    return compare(runs, reference=runs[0].traits["arm"])[0].pairs[0]


def hair_pairs(before: Path, after: Path, image_ids: list[str]) -> list[Any]:
    """The first images in which hair was found, spread over the data set."""
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
    return run_stage("report", work, reads=READS, writes=["report", "card", "plots"])


if __name__ == "__main__":
    sys.exit(main())
