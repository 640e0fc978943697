"""Folders of images: whole files only, a run that goes on, untouched bytes, a cluster's workers."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from harmonic.errors import InputError
from harmonic.files import UNFINISHED
from harmonic.images.decode import read_rgb, write_jpeg
from harmonic.images.hair import remove_hair
from harmonic.images.hair.folder import remove_hair_from_file, remove_hair_from_files
from harmonic.sample.strands import add_hair

HAIRY, BARE = ("a", "b"), ("c", "d")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Four small JPEGs, the first two with hair, of a quality that recompression would change."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in (*HAIRY, *BARE):
        noise = rng.normal(0.0, 2.0, size=(90, 120, 3))
        image = np.clip(np.array([220, 160, 150]) + noise, 0, 255).astype(np.uint8)
        if name in HAIRY:
            image, _ = add_hair(image, rng, density="medium", colour="dark")
        Image.fromarray(image).save(folder / f"{name}.jpg", quality=80)
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_hair_goes_and_bare_skin_keeps_its_bytes(photographs: Path, tmp_path: Path) -> None:
    changed = remove_hair_from_files("abcd", photographs, tmp_path / "out", "directional", jobs=1)
    before, after = contents(photographs), contents(tmp_path / "out")
    assert changed == len(HAIRY)
    assert {name for name in after if after[name] != before[name]} == {"a.jpg", "b.jpg"}
    wanted = remove_hair(read_rgb(photographs / "a.jpg"))
    assert np.abs(read_rgb(tmp_path / "out/a.jpg").astype(int) - wanted).mean() < 1.5


def test_a_run_that_goes_on_touches_nothing_that_is_there(
    photographs: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    remove_hair_from_files("ac", photographs, out, "directional", jobs=1)
    times = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    (out / f"{UNFINISHED}b.jpg").write_bytes(b"half a file, as a kill leaves it")
    assert remove_hair_from_files("abcd", photographs, out, "directional", jobs=1) == len(HAIRY)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert sorted(contents(out)) == ["a.jpg", "b.jpg", "c.jpg", "d.jpg"]


def test_a_damaged_image_names_itself(photographs: Path, tmp_path: Path) -> None:
    whole = (photographs / "b.jpg").read_bytes()
    (photographs / "b.jpg").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"b\.jpg: cannot be decoded"):
        remove_hair_from_files("abcd", photographs, tmp_path / "out", "directional", jobs=1)
    assert not (tmp_path / "out/b.jpg").exists()


@pytest.mark.slow
def test_a_dask_cluster_writes_the_same_bytes(photographs: Path, tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed")
    remove_hair_from_files("abcd", photographs, tmp_path / "here", "directional", jobs=1)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address
        changed = remove_hair_from_files(
            "abcd", photographs, tmp_path / "there", "directional", cluster=address
        )
        (photographs / "b.jpg").write_bytes(b"no image")
        with pytest.raises(InputError, match=r"b\.jpg: cannot be decoded"):
            remove_hair_from_files(
                "abcd", photographs, tmp_path / "again", "directional", cluster=address
            )
    assert changed == len(HAIRY)
    assert contents(tmp_path / "there") == contents(tmp_path / "here")


def test_a_cluster_that_is_not_there_says_so(photographs: Path, tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    with pytest.raises(InputError, match=r"no-cluster.*no Dask scheduler"):
        remove_hair_from_files(
            "a", photographs, tmp_path / "out", "none", cluster="no-cluster://127.0.0.1:1"
        )


def test_a_file_whose_image_is_a_line_is_named(tmp_path: Path) -> None:
    write_jpeg(tmp_path / "line.jpg", np.zeros((1, 3000, 3), dtype=np.uint8))
    with pytest.raises(InputError, match=r"line\.jpg: hair removal of an image of 3000 x 1"):
        remove_hair_from_file(tmp_path / "line.jpg", tmp_path / "out.jpg", "directional")
