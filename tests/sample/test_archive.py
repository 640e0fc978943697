"""The sample: Kaggle's layout, the classes' proportions, and the same bytes however it was made."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.files import UNFINISHED
from harmonic.images.decode import read_mask, read_rgb
from harmonic.sample.archive import (
    FEWEST_IMAGES,
    HAIRLESS,
    MASKS,
    METADATA,
    PARTS,
    class_sizes,
    plan_sample,
    write_sample,
)

COLUMNS = ["lesion_id", "image_id", "dx", "dx_type", "age", "sex", "localization"]


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, images=FEWEST_IMAGES, seed=3, jobs=1)
    return folder


@settings(max_examples=25)
@given(images=st.integers(FEWEST_IMAGES, 3000), seed=st.integers(0, 2**31))
def test_a_plan_is_a_sound_table(images: int, seed: int) -> None:
    table, photographs = plan_sample(images, seed)
    assert list(table.columns) == COLUMNS
    assert len(table) == images == len(photographs)
    assert table.image_id.is_unique
    assert set(table.dx) == set(CLASSES)
    assert table.dx.value_counts().to_dict() == class_sizes(images)
    assert table.dx.mode().item() == "nv"
    for column in ("dx", "dx_type", "age", "sex", "localization"):
        assert table.groupby("lesion_id")[column].nunique(dropna=False).max() == 1
    assert table.lesion_id.value_counts().max() <= 6
    assert table.groupby("dx").lesion_id.nunique().min() >= 6
    assert set(table.loc[table.dx_type == "follow_up", "dx"]) <= {"nv"}
    assert {p.image_id: p.dx for p in photographs} == dict(
        zip(table.image_id, table.dx, strict=True)
    )


def test_the_default_size_has_lesions_enough_in_every_class() -> None:
    table, _ = plan_sample(1400, 0)
    assert table.groupby("dx").lesion_id.nunique().min() >= 20
    assert table.dx.value_counts(normalize=True)["mel"] == pytest.approx(0.111, abs=0.005)
    several = table.lesion_id.value_counts().gt(1).mean()
    assert 0.15 < several < 0.45  # 0.26 in HAM10000


def test_identifiers_tell_nothing_about_the_diagnosis() -> None:
    table, _ = plan_sample(2800, 0)
    for column, start in (("image_id", 5), ("lesion_id", 4)):
        numbers = table[column].str[start:].astype(int)
        for dx in CLASSES:
            mine, other = numbers[table.dx == dx], numbers[table.dx != dx]
            standard_error = numbers.std() / np.sqrt(len(mine))
            assert abs(mine.mean() - other.mean()) < 5 * standard_error


def test_the_layout_is_the_archives(sample: Path) -> None:
    table = pd.read_csv(sample / METADATA)
    assert list(table.columns) == COLUMNS
    assert table.lesion_id.str.fullmatch(r"HAM_\d{7}").all()
    assert table.image_id.str.fullmatch(r"ISIC_\d{7}").all()
    files = {part: {path.stem for path in (sample / part).iterdir()} for part in PARTS}
    assert set.union(*files.values()) == set(table.image_id)
    assert all(len(names) == len(table) // 2 for names in files.values())
    assert table.age.dropna().between(0, 85).all()


def test_the_truth_is_that_of_the_images(sample: Path) -> None:
    masks = {path.stem for path in (sample / MASKS).iterdir()}
    assert masks == {path.stem for path in (sample / HAIRLESS).iterdir()}
    assert 0.15 < len(masks) / FEWEST_IMAGES < 0.55
    contrast = []
    for name in sorted(masks):
        (path,) = sample.glob(f"HAM10000_images_part_?/{name}.jpg")
        image, bare = read_rgb(path), read_rgb(sample / HAIRLESS / f"{name}.jpg")
        mask = read_mask(sample / MASKS / f"{name}.png")
        change = np.abs(image.astype(int) - bare).max(axis=2)
        contrast.append(change[mask].mean() - change[~mask].mean())
    assert np.median(contrast) > 20


def test_processes_and_interruption_leave_no_trace(sample: Path, tmp_path: Path) -> None:
    write_sample(tmp_path, images=FEWEST_IMAGES, seed=3, jobs=2)
    whole = files_below(sample)
    assert files_below(tmp_path) == whole

    images = sorted(tmp_path.glob("HAM10000_images_part_?/*.jpg"))
    untouched = images[1].stat().st_mtime_ns
    for path in images[::3]:
        path.unlink()
    unfinished = images[0].with_name(UNFINISHED + images[0].name)
    unfinished.write_bytes(b"half of a picture")
    write_sample(tmp_path, images=FEWEST_IMAGES, seed=3, jobs=1)
    assert files_below(tmp_path) == whole
    assert images[1].stat().st_mtime_ns == untouched


def test_another_seed_is_another_sample(sample: Path, tmp_path: Path) -> None:
    one, other = plan_sample(200, 0)[0], plan_sample(200, 1)[0]
    assert not one.equals(other)
    pd.testing.assert_frame_equal(one, plan_sample(200, 0)[0])
    before = files_below(sample)
    with pytest.raises(InputError, match="another sample"):
        write_sample(sample, images=FEWEST_IMAGES, seed=4, jobs=1)
    assert files_below(sample) == before


@pytest.mark.parametrize(("images", "seed"), [(FEWEST_IMAGES - 1, 0), (0, 0), (200, -1)])
def test_it_refuses(tmp_path: Path, images: int, seed: int) -> None:
    with pytest.raises(InputError):
        write_sample(tmp_path / "new", images=images, seed=seed)
    assert not (tmp_path / "new").exists()
