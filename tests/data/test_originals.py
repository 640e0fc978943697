"""Is it HAM10000? Digests, looks and labels against the shipped manifest."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from harmonic.data.inspection import Inspected, inspect_image
from harmonic.data.originals import (
    SHIPPED,
    Manifest,
    compare_with_originals,
    digest_prefix,
    identity,
    label_digest,
    read_manifest,
)
from tests.data import archives


def index_of(image_ids: list[str]) -> pd.DataFrame:
    lesions = [f"HAM_{image_id}" for image_id in image_ids]
    return pd.DataFrame({"image_id": image_ids, "lesion_id": lesions, "dx": "nv"})


def inspected_from(folder: Path, contents: list[bytes]) -> list[Inspected]:
    found = []
    for number, content in enumerate(contents):
        path = folder / f"{number}.jpg"
        path.write_bytes(content)
        found.append(inspect_image(path))
    return found


IDS = [f"ISIC_{number:07d}" for number in range(12)]


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Of twelve pictures of smooth noise."""
    found = inspected_from(tmp_path, [archives.jpeg(number) for number in range(12)])
    index = index_of(IDS)
    return Manifest(
        numbers=np.arange(12, dtype=np.uint32),
        sha256=np.array([digest_prefix(one.sha256) for one in found]),
        looks=np.array([one.look[0] for one in found]),
        labels=np.array(
            [label_digest(*pair) for pair in zip(index.lesion_id, index.dx, strict=True)],
            dtype=np.uint32,
        ),
    )


def verdict(
    manifest: Manifest, folder: Path, image_ids: list[str], contents: list[bytes]
) -> dict[str, object]:
    found = inspected_from(folder, contents)
    return identity(compare_with_originals(index_of(image_ids), found, manifest), manifest)


def test_the_originals_are_known_by_their_digests(manifest: Manifest, tmp_path: Path) -> None:
    found = verdict(manifest, tmp_path, IDS[3:], [archives.jpeg(n) for n in range(3, 12)])
    assert found["verdict"] == "original"
    assert found["sha256_matches"] == found["label_matches"] == 9


def test_recompressed_and_scaled_copies_are_known_by_their_looks(
    manifest: Manifest, tmp_path: Path
) -> None:
    copies = []
    for number in range(12):
        with Image.open(io.BytesIO(archives.jpeg(number))) as image:
            buffer = io.BytesIO()
            image.resize((80, 60), Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=70)
        copies.append(buffer.getvalue())
    found = verdict(manifest, tmp_path, IDS, copies)
    assert found["verdict"] == "same images recompressed"
    assert (found["sha256_matches"], found["look_matches"]) == (0, 12)


def test_a_mixture_of_originals_and_copies_is_recompressed(
    manifest: Manifest, tmp_path: Path
) -> None:
    contents = [archives.jpeg(number, quality=90 if number < 6 else 60) for number in range(12)]
    found = verdict(manifest, tmp_path, IDS, contents)
    assert found["verdict"] == "same images recompressed"
    assert found["sha256_matches"] == 6


@pytest.mark.parametrize("change", ["picture", "id", "exchanged"])
def test_one_foreign_image_makes_another_data_set(
    manifest: Manifest, tmp_path: Path, change: str
) -> None:
    ids, contents = list(IDS), [archives.jpeg(number) for number in range(12)]
    if change == "picture":
        contents[4] = archives.jpeg(99)
    elif change == "id":
        ids[4] = "ISIC_0000099"
    else:
        contents[4], contents[5] = contents[5], contents[4]
    assert verdict(manifest, tmp_path, ids, contents)["verdict"] == "other"


def test_an_id_that_is_none_of_theirs_is_not_known(manifest: Manifest, tmp_path: Path) -> None:
    found = inspected_from(tmp_path, [archives.jpeg(11)])
    for image_id in ("ISIC_11", "mine", "ISIC_0000011x"):
        compared = compare_with_originals(index_of([image_id]), found, manifest)
        assert not compared.to_numpy().any()


def test_another_label_is_counted(manifest: Manifest, tmp_path: Path) -> None:
    found = inspected_from(tmp_path, [archives.jpeg(number) for number in range(12)])
    index = index_of(IDS)
    index.loc[2, "dx"] = "mel"
    index.loc[3, "lesion_id"] = "HAM_another"
    compared = compare_with_originals(index, found, manifest)
    assert np.flatnonzero(~compared.same_label).tolist() == [2, 3]
    assert compared.original.all()


def test_the_shipped_manifest_is_small_and_of_all_originals() -> None:
    manifest = read_manifest()
    assert SHIPPED.stat().st_size < 400_000
    assert manifest.numbers.tolist() == list(range(24306, 34321))  # 10,015 ids without a gap
    assert manifest.sha256.shape == (10015, 16)
    # HAM10000 holds two photographs twice, under two ids of one lesion each.
    assert len(np.unique(manifest.sha256, axis=0)) == 10013
    assert manifest.rows_of(["ISIC_0024306", "ISIC_0034320", "x"]).tolist() == [0, 10014, -1]
