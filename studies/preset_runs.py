"""The runs of a preset: trained and evaluated as the pipeline's stages do it."""

import json
from argparse import Namespace
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pandas as pd

from harmonic.data.arrays import LabelledImages
from harmonic.data.metadata import read_table
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.rules import decision_rules
from harmonic.evaluation.scores import scores_of
from harmonic.learning.fit import Fitted
from stages.harness.params import Params
from studies.data import answers_table, logits_of, overridden, truth_table
from studies.presets import PRESETS, Overrides
from studies.runner import Outcome, Planned

RUNS = Path("results/runs")


def runs(options: Namespace, _: object) -> list[Planned]:
    """The runs that the command asks for."""
    if options.folds < 0 or options.folds == 1:
        raise InputError(f"--folds {options.folds}: 0 (none) or at least 2")
    preset = PRESETS[options.preset]
    arms, seeds = options.arms or list(preset.arms), options.seeds or preset.seeds
    return runs_of(options.preset, arms, seeds, options.folds, options.runs)


def runs_of(
    preset: str, arms: Sequence[str], seeds: Sequence[int], folds: int, kept: Path = RUNS
) -> list[Planned]:
    """Every run asked for, an arm after the other, then seeds; a search is looked up in `kept`."""
    chosen = PRESETS[preset]
    for arm in arms:
        if arm not in chosen.arms:
            raise InputError(f"--arms {arm} is not in {preset}; it has {', '.join(chosen.arms)}")
    found = {arm: searched(chosen.search, arm, kept) if chosen.search else {} for arm in arms}
    planned = []
    for seed, fold, arm in product(seeds, range(folds) if folds else (None,), arms):
        overrides = chosen.base | chosen.arms[arm] | found[arm] | {"seed": seed}
        if fold is not None:
            overrides |= {"split.folds": folds, "split.fold": fold}
        overridden(overrides)  # what is not allowed is told before anything runs
        measure = {"test": evaluated, "val": answered, None: None}[chosen.answered]
        planned.append(Planned(preset, arm, seed, overrides, fold, measure=measure))
    return planned


def searched(search: str, arm: str, kept: Path) -> Overrides:
    """The learning rate and weight decay that a preset found best for an arm."""
    arms = {name: one for name, one in PRESETS[search].arms.items() if name.startswith(f"{arm}-lr")}
    tried = [Planned(search, name, 0, overrides) for name, overrides in arms.items()]
    return best_of(tried, arm, kept, f"studies run {search}")


def best_of(tried: Sequence[Planned], arm: str, kept: Path, command: str) -> Overrides:
    """Rate and decay of the best run of an arm's search, on validation; of equals the first."""
    records = {one.name: one.folder(kept) / "run.json" for one in tried}
    if missing := [one.arm for one in tried if not records[one.name].is_file()]:
        raise InputError(
            f"{arm}: {len(missing)} runs of its search are missing, {missing[0]} the first; "
            f"`python -m {command}` does them"
        )
    scores = [
        json.loads(record.read_text("utf-8"))["val_balanced_accuracy"]
        for record in records.values()
    ]
    best = tried[scores.index(max(scores))].overrides
    return {name: best[name] for name in ("lr", "train.weight_decay")}


def evaluated(params: Params, fitted: Fitted, data: LabelledImages, place: Path) -> Outcome:
    """All figures of the trained network on the test set, and its answers."""
    description, validation, test = fitted.description, data.part("val"), data.part("test")
    rule = description.rule("a fitted network")
    (of_validation, _), (balanced, natural) = (
        decision_rules(logits_of(fitted, part.images, params.evaluate.views), **rule)
        for part in (validation, test)
    )
    counts = tuple(description.class_counts)
    prior = {"class_counts": counts, "prior_exponent": rule["prior_exponent"]}
    found = scores_of(
        Answers(test.labels, test.groups, balanced, natural, **prior),
        *(validation.labels, of_validation),
        temperature=rule["temperature"],
        resamples=params.evaluate.resamples,
        seed=params.evaluate.seed,
    )
    return Outcome(found.figures, answers_table(test, balanced), truth_as_written(test, place))


def answered(params: Params, fitted: Fitted, data: LabelledImages, place: Path) -> Outcome:
    """The answers for the validation set before any temperature: from them a rule is chosen."""
    description, validation = fitted.description, data.part("val")
    balanced, _ = decision_rules(
        logits_of(fitted, validation.images, params.evaluate.views),
        description.class_counts,
        imbalance=description.imbalance,
        temperature=1.0,
    )
    truth = truth_as_written(validation, place)
    return Outcome(answers=answers_table(validation, balanced), truth=truth)


def truth_as_written(images: LabelledImages, place: Path) -> pd.DataFrame:
    """The truth with the lesion ids of the metadata: known pairs are not joined."""
    table = read_table(place / "split.csv", ("image_id", "lesion_id"))
    truth, written = truth_table(images), table.set_index("image_id").lesion_id
    return truth.assign(lesion_id=written.loc[truth.image].to_numpy())
