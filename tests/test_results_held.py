"""Figures in results/ are what the kept answers give, and a falsified one is not."""

import gzip
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from ruamel.yaml import YAML

from harmonic.data.classes import CLASSES
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.data.originals import label_digest, read_manifest
from harmonic.data.split import split_fold, split_groups
from harmonic.deploy.int8 import export_int8
from harmonic.deploy.variants import BINARIES
from harmonic.errors import InputError
from harmonic.evaluation.contradictions import contradictions, determined
from harmonic.evaluation.figures import checked_figure, range_of
from harmonic.evaluation.predictions import KEPT_ROUNDING
from harmonic.evaluation.runs import Run, read_runs
from harmonic.model_file.description import Storage
from harmonic.model_file.safetensors_file import described_network, save_stored
from studies.compression.page import over_seeds, scored
from studies.leak.design import leak_design
from studies.pages.reading import kept_answers, runs_of_study, scores_of
from studies.post_protocol.protocol import independent_draws
from tests.deploy.conftest import describe

RESULTS = Path(__file__).parents[1] / "results"
FOLDS = ("1c7c55aa07d5", "e64e0b7a6602", "1ab08a0490e9", "ec70c331d91b", "469adb6918a5")
"""Digests of the data of the five folds, in their order; their test sets are the whole data set."""
STUDIES = ("small", "long", "full-100-mixed")
SPLIT = {"val": 0.15, "seed": 0}
SHARES = {"train": 1 - 0.15 - 0.2, "val": 0.15, "test": 0.2}


@cache
def answered() -> list[Run]:
    return [
        run
        for run in read_runs([str(RESULTS / "runs" / study) for study in STUDIES])
        if run.answers is not None
    ]


@cache
def truth_of(data: str) -> pd.DataFrame:
    return pd.read_csv(RESULTS / "data" / f"{data}.csv.gz")


@cache
def training_counts(data: str) -> list[int]:
    """Training images of each class: the split made again, and the same test set as was kept."""
    whole = pd.concat([truth_of(fold) for fold in FOLDS]).sort_values("image")
    groups = lesion_groups(whole.image.tolist(), whole.lesion_id, known_pairs())
    dx = whole.dx.to_numpy(str)
    if data in FOLDS:
        sets = split_fold(split_groups, groups, dx, folds=5, fold=FOLDS.index(data), **SPLIT)
    else:
        sets = split_groups(groups, dx, SHARES, SPLIT["seed"])
    assert set(whole.image[sets == "test"]) == set(truth_of(data).image)
    return [int(((sets == "train") & (dx == name)).sum()) for name in CLASSES]


def found_in(run: Run, change: dict[str, float] | None = None) -> list[str]:
    figures = dict(run.metrics)
    for name, amount in (change or {}).items():
        figures[name] += amount
    assert run.answers is not None
    return contradictions(figures, run.answers)


def test_the_training_counts_of_runs_are_those_of_their_split() -> None:
    for data in {run.record["data"] for run in answered()}:
        (counts,) = {
            tuple(run.record["class_counts"]) for run in answered() if run.record["data"] == data
        }
        assert list(counts) == training_counts(data)


def test_every_answered_run_has_the_figures_of_its_answers():
    assert len(answered()) > 50
    for run in answered():
        assert found_in(run) == [], f"{run.test_set} {run.name}"


@pytest.mark.parametrize(
    ("name", "amount"),
    [
        ("accuracy", 0.10),
        ("weighted_precision", 0.10),
        ("weighted_recall", 0.01),
        ("macro_auc", 0.05),
        ("macro_auc_natural_rule", 0.01),
        ("macro_f1", 0.2),
        ("ece", -0.02),
        ("ece_balanced_rule", -0.02),
        ("ece_uncalibrated", -0.02),
        ("balanced_accuracy", 0.0098),
        ("balanced_accuracy_natural_rule", 0.01),
        ("accuracy_balanced_rule", 0.005),
        ("lesion_balanced_accuracy", 0.01),
        ("lesion_accuracy", 0.005),
        ("melanoma_auc", 0.005),
        ("mcc", 0.01),
        ("brier", -0.005),
        ("log_loss", -0.02),
        ("majority_accuracy", 0.001),
        ("test_images", 1),
        ("test_lesions", -1),
    ],
)
def test_a_falsified_figure_of_a_run_is_named(name, amount):
    five = [
        run
        for run in answered()
        if run.traits["study"] == "small" and run.traits["arm"] == "harmonic" and run.fold is None
    ]
    assert len(five) == 5
    for run in five:
        (line,) = found_in(run, {name: amount})
        assert line.startswith(f"{name} is ")


@pytest.mark.parametrize("at", ["sensitivity_at_90", "sensitivity_at_95", "specificity_at_95"])
@pytest.mark.parametrize("target", ["melanoma", "malignant"])
def test_a_falsified_operating_point_of_a_run_is_named(target, at):
    for run in answered()[:10]:
        amount = 0.05 if run.metrics[f"{target}_{at}"] < 0.94 else -0.05
        (line,) = found_in(run, {f"{target}_{at}": amount})
        assert line.startswith(f"{target}_s")


def test_what_run_json_says_of_a_training_is_in_its_history():
    """Where the history is kept."""
    kept = [run for run in answered() if (run.folder / "history.csv").is_file()]
    assert len(kept) >= 10
    for run in kept:
        history = pd.read_csv(run.folder / "history.csv")
        best = history.loc[history.val_balanced_accuracy.idxmax()]
        assert (run.record["epochs"], run.record["best_epoch"]) == (len(history), best.epoch)
        for name in ("val_balanced_accuracy", "val_macro_auc"):
            assert run.record[name] == best[name], f"{run.name}: {name}"


def test_no_two_runs_have_the_same_answers():
    """One run copied into the place of another has figures and answers that agree."""
    digests: dict[str, Path] = {}
    for path in sorted((RESULTS / "runs").rglob("answers.csv.gz")):
        digest = hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest()
        assert digest not in digests, (path, digests[digest])
        digests[digest] = path
    assert len(digests) > 50


def test_the_truth_of_test_images_is_that_of_the_data_set():
    """By the manifest of the originals, which was made from the metadata."""
    manifest, whole = read_manifest(), pd.concat([truth_of(fold) for fold in FOLDS])
    rows = manifest.rows_of(whole.image.tolist())
    assert sorted(rows) == list(range(10015))
    found = [*map(label_digest, whole.lesion_id, whole.dx)]
    assert found == manifest.labels[rows].tolist()
    whole["group"] = lesion_groups(whole.image.tolist(), whole.lesion_id, known_pairs())
    for path in (RESULTS / "data").glob("*.csv.gz"):
        both = pd.read_csv(path).merge(whole, on="image", validate="one_to_one")
        assert (both.dx_x == both.dx_y).all(), path.name
        named = (both.lesion_id_x == both.lesion_id_y) | (both.lesion_id_x == both.group)
        assert named.all(), path.name


def test_nearly_every_figure_of_a_run_is_determined():
    """All but the operating points, whose thresholds are from validation answers not kept."""
    run = answered()[0]
    held = determined(run.answers, run.metrics["temperature"], KEPT_ROUNDING)
    open_ones = {name for name in run.metrics if name not in held}
    assert {name for name in open_ones if "_at_" not in name} == {"temperature"}
    wide = {name for name, (low, high) in held.items() if high - low > 0.02}
    assert wide <= {"log_loss", "log_loss_balanced_rule", "log_loss_uncalibrated"}


def test_no_impossible_figure_stands_in_any_run():
    """Runs are refused with one when they are read."""
    assert len(read_runs([str(RESULTS / "runs")], answers=False)) >= 315


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("macro_auc", 2),
        ("ece", -1),
        ("accuracy", 1.3),
        ("log_loss_balanced_rule", -0.1),
        ("majority_brier", 2.1),
        ("lesion_balanced_accuracy_low", -0.1),
        ("melanoma_sensitivity_at_90", 1.01),
        ("mcc", -1.1),
        ("test_images", 0),
        ("test_images", 3.5),
        ("mel_auc", 2),
        ("nv_sensitivity", 1.5),
        ("melanoma_specificity_at_95_high", 1.5),
        ("val_loss", -5),
        ("loss", -1),
        ("precision", 1.4),
        ("recall", 1.4),
        ("f1", 3),
        ("seen", 1.5),
        ("share", 2),
        ("parameters", -3),
        ("best_epoch", 2.5),
        ("temperature", 0),
        ("lr", -1e-9),
        ("suggested_lr", 0),
    ],
)
def test_impossible_figures_are_refused(name, value):
    with pytest.raises(InputError, match=f"there: {name} is {value:g}; allowed is "):
        checked_figure(name, value, "there")


def numbers_in(path: Path) -> Iterator[tuple[str, float]]:
    """Name and value of every number of a .json or .csv file; those of a list bear its name."""
    if path.suffix == ".csv":
        for row in pd.read_csv(path).to_dict("records"):
            yield from ((str(name), value) for name, value in row.items() if value == value)
        return
    for name, value in json.loads(path.read_text(encoding="utf-8")).items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, int | float) and not isinstance(one, bool):
                yield name, one


def test_every_number_of_every_run_has_a_range_and_lies_in_it():
    kept = ("metrics.json", "figures.json", "intervals.json", "run.json", "history.csv")
    paths = [path for path in (RESULTS / "runs").rglob("*") if path.name in kept]
    assert {path.name for path in paths} == set(kept)
    for path in paths:
        for name, value in numbers_in(path):
            assert range_of(name) is not None, f"{path}: {name}"
            checked_figure(name, value, str(path))


def whole_data() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """All images in the order of their names, with lesion groups and class numbers."""
    whole = pd.concat([truth_of(fold) for fold in FOLDS]).sort_values("image", ignore_index=True)
    groups = lesion_groups(whole.image.tolist(), whole.lesion_id, known_pairs())
    return whole, groups, whole.dx.map(CLASSES.index).to_numpy()


def test_who_has_a_sibling_in_training_is_what_the_design_of_the_leak_says():
    whole, groups, labels = whole_data()
    design = leak_design(groups, labels, seed=0)
    expected = dict(zip(whole.image[design.test], design.has_sibling.astype(int), strict=True))
    for path in (RESULTS / "runs/leak").glob("*/answers.csv.gz"):
        kept = pd.read_csv(path)
        assert dict(zip(kept.image, kept.sibling, strict=True)) == expected, path.parent.name


def test_what_training_had_seen_is_what_the_draws_of_the_protocol_say():
    whole, groups, _ = whole_data()
    for run in runs_of_study(RESULTS, "post-protocol", answers=False):
        draws = independent_draws(groups, run.seed)
        kept = pd.read_csv(run.folder / "answers.csv.gz").set_index("image")
        kept = kept.loc[whole.image[draws.answered]]
        assert (kept.part == draws.part).all(), run.name
        assert (kept.in_test == draws.in_test).all(), run.name


@cache
def made_small(conv: str, level: int | str | None, weights: str) -> tuple[int, int]:
    """Parameters and bytes of a network stored so; what its weights are changes neither."""
    kind = weights if weights in BINARIES else "none"
    options = {"level": level, "width": 32, "blocks": 1, "binarize": kind}
    described = describe(conv=conv, options=options, image_size=64)
    model = described_network(described).eval()
    parameters = sum(weights.numel() for weights in model.parameters())
    with TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        if weights == "int8":
            export_int8(model, described, path, np.zeros((1, 64, 64, 3), np.uint8))
        else:
            save_stored(path, model, described, STORAGE.get(weights, "float32"))
        return parameters, path.stat().st_size


STORAGE: dict[str, Storage] = {"bfloat16": "bfloat16", **dict.fromkeys(BINARIES, "packed")}
SAID = 300
"""Bytes by which what a file says of its network may differ."""
GRAPH = 6000
"""Bytes by which graphs of several versions of the quantiser differ."""


def test_parameters_and_bytes_of_smaller_files_are_those_of_the_network():
    for run in runs_of_study(RESULTS, "small-compressed", answers=False):
        params = YAML(typ="safe", pure=True).load(run.folder / "params.yaml")
        weights, level = params["compressed"]["weights"], params["train"]["level"]
        cut = weights == "progressive" or weights.startswith("level ")
        if cut:  # a plain network becomes a harmonic one
            level = weights if weights == "progressive" else int(weights.removeprefix("level "))
        conv = "harmonic" if cut or params["model"] == "harmonic" else "plain"
        parameters, size = made_small(conv, level, weights)
        assert run.record["parameters"] == parameters, run.name
        slack = GRAPH if weights == "int8" else SAID
        assert run.record["bytes"] == pytest.approx(size, abs=slack), run.name


def test_the_leak_has_the_figures_of_its_answers():
    for run in read_runs([str(RESULTS / "runs/leak")]):
        named = ("balanced_accuracy", "macro_f1", "macro_auc", "accuracy_balanced_rule")
        assert set(named) == set(run.metrics)
        assert contradictions(run.metrics, run.answers) == []
        for name in named:
            assert contradictions(run.metrics | {name: run.metrics[name] + 0.01}, run.answers)


def test_the_protocol_has_the_figures_of_its_answers():
    """Of the epochs chosen; of the others no answers are kept."""
    runs = runs_of_study(RESULTS, "post-protocol", answers=False)
    assert len(runs) >= 2
    for run in runs:
        history = pd.read_csv(run.folder / "history.csv")
        row = history.loc[history.precision.idxmax()]
        assert row.epoch == run.record["best_epoch"]
        answers = kept_answers(RESULTS, run)
        for part in ("seen", "sibling", "unseen"):
            value = scores_of(answers[answers.part == part], 1).value
            assert row[part] == run.metrics[part] == pytest.approx(value, abs=1e-5), part
        drawn = answers[answers.in_test == 1]
        of_class = (drawn.dx == drawn.answer).groupby(drawn.dx).mean()
        # Images are drawn anew with equal class frequencies, about as many as the draw has.
        error = np.sqrt(of_class.mean() * (1 - of_class.mean()) / len(drawn))
        assert abs(row.precision - of_class.mean()) < 4 * error
        assert row.precision == row.recall == run.metrics["precision"]


def test_smaller_files_have_the_accuracy_of_their_answers():
    """Every cell of the page that no resampling makes."""
    runs = runs_of_study(RESULTS, "small-compressed", answers=False)
    made = over_seeds(scored(runs, RESULTS, 1))
    page = (RESULTS / "compression.md").read_text(encoding="utf-8").splitlines()
    lines = [line.split("|")[1:-1] for line in page if line.startswith(("| cnn", "| harmonic"))]
    cells = [[cell.strip() for cell in line] for line in lines]
    assert len(cells) == len(made) == 40
    for row, shown in zip(made.itertuples(), cells, strict=True):
        assert shown[:4] == [row.model, row.weights, row.when, str(row.seeds)]
        assert shown[4:7] == [f"{row.bytes:,}", f"{row.share:.1%}", f"{row.parameters:,}"]
        assert shown[7].split()[0] == f"{row.balanced_accuracy:.3f}"
        assert shown[8].split()[0] == f"{100 * row.change:+.1f}"
        assert shown[9] == row.change_seeds


def test_runs_kept_without_answers_agree_with_themselves():
    """Nothing recomputes these, but what must hold between their figures does."""
    for run in read_runs([str(RESULTS / "runs/pipeline")]):
        for name, value in run.metrics.items():
            if f"{name}_low" in run.metrics:
                assert run.metrics[f"{name}_low"] <= value <= run.metrics[f"{name}_high"], name
        for rule in ("", "_balanced_rule"):
            assert run.metrics[f"accuracy{rule}"] == run.metrics[f"weighted_recall{rule}"]
