"""A report's contents from the files of a run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from harmonic.data.arrays import LabelledImages, read_labelled_images
from harmonic.data.metadata import read_table
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.bootstrap import natural_of
from harmonic.evaluation.comparison import Pair, compare
from harmonic.evaluation.runs import Run, read_runs
from harmonic.images.decode import read_rgb
from harmonic.model_file.safetensors_file import load_model
from harmonic.reading import content_of
from harmonic.report.contents import HairPair, ReportContents
from harmonic.report.doubts import doubts
from harmonic.report.files import (
    CURVE_COLUMNS,
    HISTORY_COLUMNS,
    RunFiles,
    read_compression,
    read_csv,
    read_json,
    read_run,
    read_steps,
)
from harmonic.report.network import confident_cases, first_kernels, layer_spectra

HAIR_PAIRS = 6


def read_contents(
    files: RunFiles, params: Mapping[str, Any], device: torch.device
) -> ReportContents:
    """All that the report of a run shows.

    params: as in params.yaml, nested. device: where the network is asked again.

    Raises InputError naming the file that is damaged or not of this run.
    """
    model, description = load_model(files.model)
    data = read_labelled_images(files.images, files.split)
    test = data.part("test")
    run = read_run(files)
    answers = answers_to(test, run, tuple(description.class_counts))
    contents = ReportContents(
        metrics=run.metrics,
        answers=answers,
        params=params,
        fingerprint=read_json(files.fingerprint),
        split=read_table(files.split, ("image_id", "lesion_id", "dx", "split")),
        history=read_steps(files.history, HISTORY_COLUMNS),
        lr_curve=read_steps(files.lr_range / "curve.csv", CURVE_COLUMNS),
        lr_suggestion=read_json(files.lr_range / "suggestion.json") | {"used_lr": params["lr"]},
        spectra=layer_spectra(model),
        kernels=first_kernels(model),
        tables={
            **{
                name: read_csv(getattr(files, name))
                for name in ("per_class", "operating_points", "subgroups")
            },
            "compression": read_compression(files.compression),
        },
        hair_pairs=hair_pairs(files.raw / "images", files.hairless, data.image_ids.tolist()),
        cases=confident_cases(model, description, test, natural_of(answers)),
        comparison=against_baseline(params["report"]["baseline"], run),
    )
    return replace(contents, doubts=doubts(contents, files, model, description, data, device))


def answers_to(test: LabelledImages, run: Run, class_counts: tuple[int, ...]) -> Answers:
    """What a run answered, in the order of the test images, of lesions in the whole data set."""
    assert run.answers is not None  # the report reads predictions and split
    order = pd.Index(run.answers.image_ids).get_indexer(pd.Index(test.image_ids))
    return replace(run.answers.at(order), lesions=test.groups, class_counts=class_counts)


def against_baseline(name: str | None, here: Run) -> Pair | None:
    """This run against the one called `name`, on the same test set; None for none."""
    if name is None:
        return None
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
        if content_of(old) != content_of(new):
            pairs.append(HairPair(image_id, read_rgb(old), read_rgb(new)))
        if len(pairs) == HAIR_PAIRS:
            break
    return pairs
