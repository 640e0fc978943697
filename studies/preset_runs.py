"""The runs of a preset: trained and evaluated as the pipeline's stages do it."""

import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from harmonic.data.arrays import LabelledImages, data_digest, read_labelled_images
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.rules import decision_rules
from harmonic.evaluation.run_folder import folder_name
from harmonic.evaluation.scores import scores_of
from harmonic.learning.batches import predict_logits
from harmonic.learning.fit import Fitted
from harmonic.model_file.description import calibration_of
from stages.harness.params import Params
from stages.training import plan_of
from studies import runner
from studies.data import link, overridden, prepared_data
from studies.presets import PRESETS, Overrides
from studies.runner import Outcome, Places, Planned, answers_table, trained, truth_table

RUNS = Path("results/runs")


def runs_of(
    preset: str, arms: Sequence[str], seeds: Sequence[int], folds: int, kept: Path = RUNS
) -> list[Planned]:
    """Every run asked for: all arms of one seed before the next seed, so that pairs come early.

    kept: the folder of runs, in which the search is that the preset relies on.
    """
    chosen = PRESETS[preset]
    for arm in arms:
        if arm not in chosen.arms:
            raise InputError(f"--arms {arm} is not in {preset}; it has {', '.join(chosen.arms)}")
    found = {arm: searched(chosen.search, arm, kept) if chosen.search else {} for arm in arms}
    runs = []
    for seed, fold, arm in product(seeds, range(folds) if folds else (None,), arms):
        overrides = chosen.base | chosen.arms[arm] | found[arm] | {"seed": seed}
        if fold is not None:
            overrides |= {"split.folds": folds, "split.fold": fold}
        overridden(overrides)  # what is not allowed is told before anything runs
        runs.append(Planned(preset, arm, seed, fold, overrides))
    return runs


def searched(search: str, arm: str, kept: Path) -> Overrides:
    """The learning rate and weight decay of the arm's best run in a search, on validation.

    Of equals the first. Raises InputError where runs of the arm are missing.
    """
    scores, missing = {}, []
    for name in (one for one in PRESETS[search].arms if one.startswith(f"{arm}-lr")):
        record = kept / search / folder_name(name, 0) / "run.json"
        if record.is_file():
            scores[name] = json.loads(record.read_text("utf-8"))["val_balanced_accuracy"]
        else:
            missing.append(name)
    if missing:
        raise InputError(
            f"{arm}: {len(missing)} runs of its search are missing, {missing[0]} the first; "
            f"`python -m studies run {search}` does them"
        )
    best = PRESETS[search].arms[max(scores, key=scores.__getitem__)]
    return {name: best[name] for name in ("lr", "train.weight_decay")}


def do(run: Planned, places: Places) -> str:
    """Do one run of a preset unless its folder is there; returns what happened, in a few words."""
    place = prepared_data(places.work, run.params(places.archive))
    digest = data_digest(place / "images.npy", place / "split.csv")

    def work(params: Params, folder: Path) -> Outcome:
        data = read_labelled_images(place / "images.npy", place / "split.csv")
        link(folder / "data", place)
        fitted, record = trained(params, plan_of(params), data, folder, digest)
        if not PRESETS[run.study].evaluated:
            told = f"balanced accuracy on validation {record['val_balanced_accuracy']:.3f}"
            return Outcome(record, fitted.history, told=told)
        figures, answers = evaluated(params, data, fitted)
        truth = truth_table(data.part("test"))
        written = pd.read_csv(place / "split.csv", dtype=str).set_index("image_id").lesion_id
        truth["lesion_id"] = written.loc[truth.image].to_numpy()  # known pairs not joined
        told = f"balanced accuracy {figures['balanced_accuracy']:.3f}"
        return Outcome(record, fitted.history, figures, answers, truth, told)

    return runner.do(run, places, digest, work)


def evaluated(
    params: Params, data: LabelledImages, fitted: Fitted
) -> tuple[dict[str, float], pd.DataFrame]:
    """All figures of the trained network on the test set, and its answers."""
    description, device = fitted.description, fitted.processes.device
    validation, test = data.part("val"), data.part("test")
    views = params.evaluate.views
    logits = [
        predict_logits(
            fitted.network, part.images, description.statistics(), device, view_count=views
        )
        for part in (validation, test)
    ]
    temperature = calibration_of(description, "a fitted network").temperature
    counts = tuple(description.class_counts)
    (of_validation, _), (balanced, natural) = (
        decision_rules(one, counts, imbalance=description.imbalance, temperature=temperature)
        for one in logits
    )
    found = scores_of(
        Answers(test.labels, test.groups, balanced, natural, class_counts=counts),
        *(validation.labels, of_validation),
        temperature=temperature,
        resamples=params.evaluate.resamples,
        seed=params.evaluate.seed,
    )
    return found.figures, answers_table(test, balanced)
