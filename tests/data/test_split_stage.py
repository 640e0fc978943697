"""The split stage: what each way of splitting writes, and which settings it refuses."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harmonic.data.arrays import read_labelled_images
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from stages import split

ROOT = Path(__file__).parents[2]


def index(lesions: int, start: int = 0) -> pd.DataFrame:
    """Two images a lesion, the classes in turn."""
    rows = [
        {
            "image_id": f"ISIC_{2 * number + image:07d}",
            "lesion_id": f"HAM_{number:07d}",
            "lesion_group": f"HAM_{number:07d}",
            "dx": CLASSES[number % len(CLASSES)],
        }
        for number in range(start, start + lesions)
        for image in range(2)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """`python -m stages.split` on an index with changed lines of params.yaml."""
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["split", "--index", "index.csv", "--split", "split.csv"])

    def run_stage(table: pd.DataFrame, **changes: str) -> int:
        table.to_csv("index.csv", index=False)
        text = (ROOT / "params.yaml").read_text(encoding="utf-8")
        before, section = text.split("\nsplit:\n")
        for key, value in changes.items():
            name, old = next(
                line.split("#")[0].split(":")
                for line in section.splitlines()
                if line.startswith(f"  {key}:")
            )
            section = section.replace(f"{name}:{old}", f"{name}: {value} ", 1)
        Path("params.yaml").write_text(f"{before}\nsplit:\n{section}", encoding="utf-8")
        Path("split.csv").unlink(missing_ok=True)  # as DVC does
        return split.main()

    return run_stage


def sets() -> pd.Series:
    return pd.read_csv("split.csv").set_index("image_id").split


def test_the_folds_of_five_runs_test_every_image_once(run: Callable[..., int]) -> None:
    tested: list[str] = []
    for fold in range(5):
        assert run(index(350), folds="5", fold=str(fold)) == 0
        found = sets()
        assert (found == "test").sum() == 140
        assert 91 <= (found == "val").sum() <= 119  # 105, to within a lesion of each class
        tested += found.index[found == "test"].tolist()
    assert sorted(tested) == index(350).image_id.tolist()


def test_a_stable_split_keeps_old_images_when_new_ones_come(run: Callable[..., int]) -> None:
    assert run(index(200), stable="true") == 0
    before = sets()
    assert run(index(300), stable="true") == 0
    after = sets()
    assert len(after) == 600
    assert (after[before.index] == before).all()
    assert run(index(200)) == 0
    assert (sets() != before).any()


@pytest.mark.parametrize("stable", ["true", "false"])
def test_without_a_test_set_all_else_is_trained_on(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], stable: str
) -> None:
    assert run(index(200), test="0", stable=stable) == 0
    assert set(sets()) == {"train", "val"}
    printed = capsys.readouterr()
    assert "0 test" in printed.out
    assert printed.err == ""
    np.save("images.npy", np.zeros((400, 28, 28, 3), np.uint8))
    files = (Path("images.npy"), Path("split.csv"))
    data = read_labelled_images(*files, needed=("train", "val"))
    assert len(data.part("train").labels) + len(data.part("val").labels) == 400
    with pytest.raises(InputError, match=r"no image is in test; split\.test: 0 leaves none"):
        read_labelled_images(*files)
    # Two lesions of a class are enough for two sets; a fold is a test set, whatever split.test.
    assert run(index(14), test="0") == 0
    assert run(index(350), test="0", folds="5") == 0
    assert (sets() == "test").sum() == 140


@pytest.mark.parametrize("stable", ["true", "false"])
def test_a_split_by_image_warns(
    run: Callable[..., int], capsys: pytest.CaptureFixture[str], stable: str
) -> None:
    assert run(index(200), by="image", stable=stable) == 0
    assert "of the test images have a sibling (same lesion) in training" in capsys.readouterr().err
    assert run(index(200), stable=stable) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": "1"}, "split.folds is 1; it must be null"),
        ({"folds": "many"}, "split.folds is 'many'; it must be null"),
        ({"folds": "3", "fold": "3"}, "split: fold (3) must be below folds (3)"),
        ({"test": "0.01"}, "split.test is 0.01; it must be 0 (train on all that is not val) or a"),
        ({"fold": "-1"}, "split.fold is -1; it must be a whole number from 0 to 19"),
        ({"stable": "1"}, "split.stable is 1; it must be true or false"),
    ],
)
def test_settings_that_cannot_be(
    run: Callable[..., int],
    capsys: pytest.CaptureFixture[str],
    changes: dict[str, str],
    message: str,
) -> None:
    assert run(index(20), **changes) == 1
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert message in line
    assert not Path("split.csv").exists()
