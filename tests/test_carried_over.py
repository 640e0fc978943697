"""Every run of the old tables stands in a folder of its own, with the same figures and answers."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

RESULTS = Path(__file__).parents[1] / "results"
RUNS = RESULTS / "runs"
TEXT = dict.fromkeys(("commit", "data", "torch"), str)


def folder_of(row: dict[str, Any]) -> Path:
    told = json.loads(row["overrides"]) if row["preset"].startswith("small-") else {}
    arm = row["arm"]
    if row["preset"] == "small-data-small":
        arm += f"-{told['split']}-{told['images_per_class']}"
    elif row["preset"] == "small-data-small-search":
        arm += f"-{told['split']}-lr{told['lr']:g}-decay{told['weight_decay']:g}"
    elif row["preset"] == "small-compressed":
        made = f"-{told['weights']}".replace(" ", "-")
        made += f"-tuned{told['epochs']}" if told["epochs"] else ""
        arm += "-trained" if told["made"] == "trained so" else made
    fold = "" if pd.isna(row["fold"]) else f"-fold{row['fold']:.0f}"
    return RUNS / row["preset"] / f"{arm}-seed{row['seed']:.0f}{fold}"


def told_by(folder: Path) -> dict[str, Any]:
    """All that the JSON files of a folder say; no name is in two of them."""
    found: dict[str, Any] = {}
    for name in ("metrics", "intervals", "figures", "run"):
        path = folder / f"{name}.json"
        content = json.loads(path.read_text()) if path.exists() else {}
        assert not set(found) & set(content)
        found |= content
    return found


def check(row: dict[str, Any], folder: Path, passed_over: set[str]) -> None:
    """The folder says what the row says, figure by figure, and nothing that contradicts it."""
    told = told_by(folder)
    for name, value in row.items():
        if name not in passed_over and not pd.isna(value):
            assert told[name] == value, (folder, name)


def test_there_are_as_many_folders_as_rows() -> None:
    rows = {
        "runs": len(pd.read_csv(RESULTS / "runs.csv")),
        "leak": len(pd.read_csv(RESULTS / "leak.csv")),
        "post": pd.read_csv(RESULTS / "post_protocol.csv").draw.nunique(),
        "pipeline": len(list(RESULTS.glob("*-64px.json"))),
    }
    assert rows == {"runs": 299, "leak": 12, "post": 2, "pipeline": 2}
    assert len(list(RUNS.rglob("run.json"))) == sum(rows.values())


def test_every_figure_of_the_tables_stands_in_its_folder() -> None:
    kept_elsewhere = {"preset", "arm", "model", "overrides", "predictions", "answers"}
    table = pd.read_csv(RESULTS / "runs.csv", dtype=TEXT)
    folders = [folder_of(row) for row in table.to_dict("records")]
    assert len(set(folders)) == len(table)
    for row, folder in zip(table.to_dict("records"), folders, strict=True):
        check(row, folder, kept_elsewhere)
        told = json.loads((folder / "run.json").read_text())
        assert told["study"] == row["preset"]
        assert folder.name.startswith(told["arm"] + "-seed")
    kept_elsewhere = {"study", "arm", "design_seed", "settings", "predictions"}
    for row in pd.read_csv(RESULTS / "leak.csv", dtype=TEXT).to_dict("records"):
        check(row, RUNS / "leak" / f"{row['arm']}-seed{row['seed']}", kept_elsewhere)
    for arm in ("cnn", "harmonic"):
        told = told_by(RUNS / "pipeline" / f"{arm}-seed0")
        document = json.loads((RESULTS / f"{arm}-64px.json").read_text())
        assert {name: told[name] for name in document["metrics"]} == document["metrics"]
        assert (told["commit"], told["command"]) == (document["commit"], document["command"])


def test_every_answer_and_epoch_stands_in_its_folder() -> None:
    rows = pd.read_csv(RESULTS / "runs.csv")
    places = [
        (row[column], folder_of(row))
        for row in rows.to_dict("records")
        for column in ("predictions", "answers")
        if isinstance(row[column], str)
    ]
    assert len(places) == 9 + 47 + 120
    for row in pd.read_csv(RESULTS / "leak.csv").itertuples():
        places.append((row.predictions, RUNS / "leak" / f"{row.arm}-seed{row.seed}"))
    for old, folder in places:
        mine = pd.read_csv(folder / "answers.csv.gz", dtype=str)
        theirs = pd.read_csv(RESULTS / old, dtype=str)
        pd.testing.assert_frame_equal(mine[theirs.columns], theirs)
    for path in (RESULTS / "predictions").glob("*.csv.gz"):
        kept = pd.read_csv(RESULTS / "data" / path.name)
        pd.testing.assert_frame_equal(kept, pd.read_csv(path))
    of_all = pd.read_csv(RESULTS / "data/a54216a507c2.csv.gz").set_index("image")
    for draw, epochs in pd.read_csv(RESULTS / "post_protocol.csv").groupby("draw"):
        folder = RUNS / "post-protocol" / f"harmonic-seed{draw}"
        history = pd.read_csv(folder / "history.csv")
        pd.testing.assert_frame_equal(history, epochs[history.columns].reset_index(drop=True))
        old = pd.read_csv(RESULTS / epochs.predictions.iloc[0])
        mine = pd.read_csv(folder / "answers.csv.gz")
        pd.testing.assert_frame_equal(mine, old[mine.columns])
        truth = of_all.loc[mine.image].reset_index(drop=True)
        pd.testing.assert_frame_equal(truth, old[["lesion_id", "dx"]])
    (leak,) = (RESULTS / "predictions").glob("leak-*/truth.csv.gz")
    old = pd.read_csv(leak)
    truth = of_all.loc[old.image].reset_index(drop=True)
    pd.testing.assert_frame_equal(truth, old[["lesion_id", "dx"]])
    mine = pd.read_csv(RUNS / "leak/leaky-seed0/answers.csv.gz")
    assert mine.sibling.tolist() == old.sibling.tolist()


def test_every_override_of_the_tables_stands_in_params() -> None:
    from ruamel.yaml import YAML

    table = pd.read_csv(RESULTS / "runs.csv")
    for row in table[~table.preset.str.startswith("small-")].to_dict("records"):
        text = (folder_of(row) / "params.yaml").read_text(encoding="utf-8")
        params = YAML(typ="safe", pure=True).load(text)
        assert params["model"] == row["model"]
        for key, value in json.loads(row["overrides"]).items():
            place = params
            for part in key.split("."):
                place = place[part]
            assert place == value, (row["arm"], key)


@pytest.mark.parametrize("study", ["small-data-small", "small-compressed"])
def test_what_a_study_adds_stands_in_params(study: str) -> None:
    from ruamel.yaml import YAML

    section = study.removesuffix("-small").replace("-data", "_data")
    section = {"small-compressed": "compressed"}.get(study, section)
    table = pd.read_csv(RESULTS / "runs.csv")
    for row in table[table.preset == study].to_dict("records")[::7]:
        text = (folder_of(row) / "params.yaml").read_text(encoding="utf-8")
        params = YAML(typ="safe", pure=True).load(text)
        assert params[section]["arm"] == row["arm"]
        told = json.loads(row["overrides"])
        where = params[section]
        where |= {} if section == "compressed" else {"lr": params["lr"]}
        where |= {"batch_size": params["batch_size"]}
        if section == "small_data":
            where |= {"weight_decay": params["train"]["weight_decay"]}
        assert {key: where[key] for key in told} == told
