"""A report's contents from the files of a run."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from harmonic.errors import InputError
from harmonic.evaluation.comparison import Pair, compare
from harmonic.evaluation.rules import uncalibrated_rule
from harmonic.evaluation.runs import read_runs, run_from
from harmonic.images.decode import read_rgb
from harmonic.model_file.safetensors_file import load_model
from harmonic.report.cases import confident_cases
from harmonic.report.contents import HairPair, Kernels, Predictions, ReportContents
from harmonic.report.doubts import doubts
from harmonic.report.files import RunFiles, predictions_of, read_history, read_json, read_metrics
from harmonic.report.spectra import first_kernels, layer_spectra

HAIR_PAIRS = 6


def read_contents(
    files: RunFiles, params: Mapping[str, Any], logs: Iterable[Path], commit: str | None
) -> ReportContents:
    """All that the report of a run shows.

    params: as in params.yaml, nested. logs: logs/<stage>.json of each stage; those that are not
    there are left out. commit: of the code; None outside git.

    Raises InputError naming the file that is damaged or not of this run.
    """
    model, description = load_model(files.model)
    split = pd.read_csv(files.split, dtype=str)
    metrics = read_metrics(files.metrics, files.intervals, files.figures)
    tables = {
        "metrics": metrics,
        "per_class": pd.read_csv(files.per_class),
        "points": pd.read_csv(files.operating_points),
        "subgroups": pd.read_csv(files.subgroups, dtype={"value": str}),
        "history": read_history(files.history),
    }
    image_ids, balanced, natural, labels = predictions_of(
        files.predictions, files.predictions_natural, split
    )
    test = split.set_index("image_id").loc[image_ids]
    kernels = first_kernels(model)
    uncalibrated = uncalibrated_rule(balanced, description.class_counts, metrics["temperature"])
    return ReportContents(
        metrics=metrics,
        predictions=Predictions(labels, balanced, natural, uncalibrated),
        params=params,
        commit=commit,
        fingerprint=read_json(files.fingerprint),
        logs=[read_json(path) for path in logs if path.is_file()],
        split=split,
        history=tables["history"],
        lr_curve=pd.read_csv(files.lr_range / "curve.csv"),
        lr_suggestion={
            name: value
            for name, value in read_json(files.lr_range / "suggestion.json").items()
            if value is not None
        }
        | {"used_lr": params["lr"]},
        spectra=layer_spectra(model),
        kernels=None if kernels is None else Kernels(*kernels),
        cases=confident_cases(model, description, files.images, split, test, labels, natural),
        per_class=tables["per_class"],
        operating_points=tables["points"],
        subgroups=tables["subgroups"],
        comparison=against_baseline(params["report"]["baseline"], files),
        doubts=doubts(files, params, model, description, tables, split, test, balanced, natural),
        hair_pairs=hair_pairs(files.raw / "images", files.hairless, split.image_id.tolist()),
    )


def against_baseline(name: str | None, files: RunFiles) -> Pair | None:
    """This run against the one called `name`, on the same test set; None for none."""
    if name is None:
        return None
    paths = {
        "reports/metrics.json": files.metrics,
        "reports/intervals.json": files.intervals,
        "reports/figures.json": files.figures,
        "reports/predictions.csv": files.predictions,
        "data/split.csv": files.split,
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


def hair_pairs(before: Path, after: Path, image_ids: list[str]) -> list[HairPair]:
    """The first images in which hair was found, spread over the data set."""
    pairs = []
    for image_id in image_ids[:: max(1, len(image_ids) // 200)]:
        old, new = before / f"{image_id}.jpg", after / f"{image_id}.jpg"
        if old.read_bytes() != new.read_bytes():
            pairs.append(HairPair(image_id, read_rgb(old), read_rgb(new)))
        if len(pairs) == HAIR_PAIRS:
            break
    return pairs
