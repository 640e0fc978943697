"""On the real images, where they are at hand: beside the repository, in ../shared/ham10000."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from harmonic.data.classes import CLASSES
from harmonic.data.metadata import read_index
from harmonic.data.originals import digest_prefix, read_manifest
from harmonic.data.split import SETS, share_with_sibling, split_groups

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared/ham10000"
SMALL = SHARED / "ham10000-200x150.zip"
ORIGINALS = SHARED / "ham10000-600x450-sample.zip"
VERIFY = (
    "--raw data/raw --index data/index.csv --inspection data/inspection.csv "
    "--duplicates data/duplicates.csv --fingerprint data/fingerprint.json"
)

MEASURED = """
import re, resource
status = stage.main()
own = int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
peak = max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
print(peak, file=open("peak", "w"))
sys.exit(status)
"""
"""Runs a stage and writes the kilobytes that its largest process had at most.

Its own ru_maxrss would start from that of the process that started it.
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/ham10000, which is not there"),
]


def run_stages(folder: Path, archive: Path) -> None:
    """download, verify and split on an archive."""
    (folder / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("source: sample", "source: archive")
    (folder / "params.yaml").write_text(
        text.replace("archive: data/no-archive", f"archive: {archive}"), encoding="utf-8"
    )
    for stage, options in (
        ("download", "--raw data/raw"),
        ("verify", VERIFY),
        ("split", "--index data/index.csv --split data/split.csv"),
    ):
        code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import stages.{stage} as stage"
        subprocess.run(
            [sys.executable, "-c", f"{code}\n{MEASURED}", *options.split()],
            cwd=folder,
            check=True,
            env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"},
        )
        (folder / "peak").rename(folder / f"peak-{stage}")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run_stages(folder, SMALL)
    return folder


def fingerprint_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "data/fingerprint.json").read_text("utf-8"))
    return found


def test_the_small_copy_is_all_of_ham10000_recompressed(whole: Path) -> None:
    found = fingerprint_of(whole)
    assert (found["images"], found["lesions"], found["lesion_groups"]) == (10015, 7470, 7452)
    assert found["identity"]["verdict"] == "same images recompressed"
    assert found["identity"]["sha256_matches"] == 0
    assert found["identity"]["label_matches"] == 10015
    assert (found["age_missing"], found["sex_unknown"]) == (57, 57)
    assert found["duplicates_across_groups"] == {"identical": 0, "near_identical": 0}


def test_no_group_is_in_two_sets_and_shares_agree(whole: Path) -> None:
    index = read_index(whole / "data/index.csv")
    table = pd.read_csv(whole / "data/split.csv")
    assert table.image_id.tolist() == index.image_id.tolist()
    assert table.groupby(index.lesion_group).split.nunique().max() == 1
    shares = pd.crosstab(table.dx, table.split, normalize="columns")
    natural = table.dx.value_counts(normalize=True)
    for dx in CLASSES:
        for name in SETS:
            assert abs(shares.loc[dx, name] - natural[dx]) < 0.015


def test_an_image_level_split_leaks_as_published(whole: Path) -> None:
    index = read_index(whole / "data/index.csv")
    images, dx = index.image_id.to_numpy(str), index.dx.to_numpy(str)
    sets = split_groups(images, dx, {"train": 0.8, "test": 0.2}, 0)
    assert share_with_sibling(index.lesion_group.to_numpy(str), sets) == pytest.approx(
        0.38, abs=0.02
    )


def test_verification_takes_little_memory(whole: Path) -> None:
    assert 50_000 < int((whole / "peak-verify").read_text()) < 500_000


def test_400_of_400_originals_match(tmp_path: Path) -> None:
    run_stages(tmp_path, ORIGINALS)
    found = fingerprint_of(tmp_path)["identity"]
    assert found["verdict"] == "original"
    assert found["sha256_matches"] == found["label_matches"] == 400
    # The manifest's looks were made from the small copy: an independent witness of the hash.
    assert found["look_matches"] == 400


def test_the_manifest_holds_the_published_digests() -> None:
    manifest = read_manifest()
    table = pd.read_csv(SHARED / "originals_sha256.csv")
    rows = manifest.rows_of(table.image_id.tolist())
    expected = np.array([digest_prefix(text) for text in table.sha256])
    assert (manifest.sha256[rows] == expected).all()
    assert sorted(rows) == list(range(10015))
