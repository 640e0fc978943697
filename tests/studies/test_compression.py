"""The table over seeds: which runs it takes, what it holds them against."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.run_folder import keep_truth, write_run
from harmonic.evaluation.runs import folder_run, read_runs
from harmonic.learning.fit import MODEL
from harmonic.model_file.safetensors_file import save_model
from studies.__main__ import main
from studies.compression.networks import Options, chosen_runs, is_made
from studies.compression.page import over_seeds, page, scored
from studies.data import overridden
from studies.pages.reading import runs_of_study
from tests.deploy.conftest import describe, photograph, trained

RESULTS = Path(__file__).parents[2] / "results"
HISTORY = pd.DataFrame(
    {"epoch": [1, 2], "val_balanced_accuracy": [0.5, 0.625], "val_macro_auc": [0.75, 0.875]}
)
TRAINED = {"epochs": 2, "best_epoch": 2, **HISTORY.iloc[1, 1:]}
"""What run.json says of that history."""
ARMS = {
    "cnn": {"conv": "plain", "options": {"width": 4}},
    "harmonic": {"options": {"width": 4}},
    "harmonic-binary": {"options": {"width": 4, "binarize": "binary"}},
    "harmonic-level3": {"options": {"width": 4, "level": 3}},
    "hair-none": {"options": {"width": 4}},
}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of five arms and two seeds, as a study leaves them, with untrained networks."""
    folder = tmp_path_factory.mktemp("study")
    images = np.stack([photograph(seed, 32, 32) for seed in range(63)])
    rows = [
        {"image_id": f"ISIC_{n:07d}", "lesion_id": f"HAM_{n:07d}", "dx": CLASSES[n % 7],
         "split": ("train", "val", "test")[n // 7 % 3]}
        for n in range(63)
    ]  # fmt: skip
    test = [{"image": row["image_id"], **row} for row in rows if row["split"] == "test"]
    keep_truth(folder / "runs", "abc", pd.DataFrame(test)[["image", "lesion_id", "dx"]])
    for arm, changes in ARMS.items():
        for seed in (0, 1):
            place = folder / f"work/small/abc/{arm}-seed{seed}-0123abcd"
            (place / "data").mkdir(parents=True)
            np.save(place / "data/images.npy", images)
            pd.DataFrame(rows).to_csv(place / "data/split.csv", index=False)
            description = describe(**changes)
            save_model(place / MODEL, trained(description).state_dict(), description)
            HISTORY.to_csv(place / "history.csv", index=False)
            base = "cnn" if arm == "cnn" else "harmonic"
            write_run(
                folder / f"runs/small/{arm}-seed{seed}",
                params=overridden({"seed": seed, "model": base}),
                record={"study": "small", "arm": arm, "seed": seed, "commit": "0", "data": "abc"}
                | TRAINED,
                figures={},
            )
    return folder


@pytest.mark.slow
def test_the_page_holds_every_form_of_every_network(study: Path, capsys) -> None:
    places = ["--runs", str(study / "runs"), "--work", str(study / "work")]
    words = ["compress", "small", *places, "--commit", "c0ffee"]
    assert main(words) == 0
    rows = scored(runs_of_study(study, "small-compressed", answers=False), study, 50)
    table = over_seeds(rows)
    assert (table.seeds == 2).all()
    assert set(table.model) == {"harmonic", "cnn"}
    for model, part in table.groupby("model"):
        after = part[part.when == "after training"].weights.tolist()
        assert after == ["bfloat16", "int8", "level 4", "level 3", "level 2", "level 1",
                         "progressive", "ternary",
                         "binary"]  # fmt: skip
        so = part[part.when == "trained so"].weights.tolist()
        assert so == (["binary", "level 3"] if model == "harmonic" else [])
        whole = part[part.weights == "float32"].iloc[0]
        assert (whole.share, whole.change) == (1, 0)
    files = page(study)
    assert {name for name in files if name.endswith(".svg")} == {
        "compression-cnn.svg",
        "compression-harmonic.svg",
    }
    text = files["compression.md"]
    assert isinstance(text, str)
    assert "| harmonic  | level 3     | trained so" in text
    capsys.readouterr()
    before = sorted(study.rglob("answers.csv.gz"))
    assert main(words) == 0  # nothing is measured twice
    assert capsys.readouterr().err.count("is there") == 8
    assert sorted(study.rglob("answers.csv.gz")) == before


def test_runs_that_cannot_be_compared_are_refused(study: Path, tmp_path: Path) -> None:
    runs = read_runs([str(study / "runs/small")], answers=False)
    assert len(chosen_runs(runs, "small", None, study / "work")) == 8
    other = [replace(run, record={**run.record, "data": "def"}) for run in runs]
    for some, data, part in (
        ([], None, "no run of small"),
        ([*runs, *other], None, "are of data abc, def"),
        ([*runs, *other], "def", "0 networks of this run, by their history.csv, one is needed"),
    ):
        with pytest.raises(InputError, match=part):
            chosen_runs(some, "small", data, study / "work")
    assert main(["compress", "small", "--runs", str(tmp_path), "--commit", "0"]) == 1


def test_a_network_of_another_training_is_not_taken_for_that_of_a_run(
    study: Path, tmp_path: Path
) -> None:
    """Beside the run's own, or instead of it."""
    runs = [folder_run(study / "runs/small/cnn-seed0")]
    work = tmp_path / "small/abc"
    own = shutil.copytree(study / "work/small/abc/cnn-seed0-0123abcd", work / "cnn-seed0-0123abcd")
    for name in ("a", "b"):
        (work / f"cnn-seed0-{name}").mkdir()
        (work / f"cnn-seed0-{name}" / MODEL).touch()
    HISTORY.assign(val_macro_auc=0.875001).to_csv(work / "cnn-seed0-b/history.csv", index=False)
    (network,) = chosen_runs(runs, "small", None, tmp_path)
    assert network.work == own
    shutil.rmtree(own)
    with pytest.raises(InputError, match=r"cnn-seed0-\*: 0 networks of this run, by their history"):
        chosen_runs(runs, "small", None, tmp_path)


def test_files_made_with_other_options_are_refused() -> None:
    place, options = RESULTS / "runs/small-compressed", Options(2, 3e-4, 1, "cpu")
    run, second = (
        folder_run(RESULTS / f"runs/small/cnn-seed{seed}", answers=False) for seed in (0, 1)
    )
    file, tuned = place / "cnn-bfloat16-seed0", place / "cnn-ternary-tuned2-seed0"
    assert is_made(file, run, options)
    assert is_made(tuned, run, options)
    assert not is_made(place / "cnn-bfloat16-seed9", run, options)
    other = replace(run, record={**run.record, "data": "0" * 12})
    for folder, network, wanted, words in (
        (file, run, replace(options, views=8), "compressed.views 1, not 8"),
        (tuned, run, replace(options, lr=1e-3), "compressed.lr 0.0003, not 0.001"),
        (file, other, options, "data 161b30dfc2d4, not 000000000000"),
        (file, second, options, "seed 0, not 1"),
    ):
        with pytest.raises(InputError, match=f"is of {words}; move it away"):
            is_made(folder, network, wanted)
