"""A damaged entry of DVC's cache is named; what it gave back is not taken for sound."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harmonic.errors import InputError
from reproduction.gate import damaged_cache
from stages.harness.params import load_params
from stages.harness.pipeline import read_lock
from stages.harness.recorded import (
    content_digest,
    recorded_outs,
    refuse_other_bytes,
    refuse_other_params,
)
from tests.stages.clones import DVC, ROOT, call, environment, tried

PIPELINE = """
stages:
  make:
    cmd: mkdir -p out/deep && echo one > out/a.txt && echo two > out/deep/b.txt && echo 3 > n.txt
    deps: [code]
    outs: [out, n.txt]
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DVC repository of one stage that was run, with this project's configuration."""
    folder = tmp_path_factory.mktemp("made")
    call(folder, "git", "init", "--quiet")
    call(folder, DVC, "init", "--quiet")
    (folder / ".dvc/config").write_bytes((ROOT / ".dvc/config").read_bytes())
    (folder / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (folder / "code").write_text("1", encoding="utf-8")
    call(folder, DVC, "repro")
    return folder


@pytest.fixture
def project(repository: Path, tmp_path: Path, monkeypatch) -> Path:
    """A copy of it to break."""
    folder = tmp_path / "project"
    shutil.copytree(repository, folder)
    monkeypatch.chdir(folder)
    return folder


def entry(project: Path, digest: str) -> Path:
    return project / ".dvc/cache/files/md5" / digest[:2] / digest[2:]


def overwrite(path: Path) -> None:
    """One byte, whatever the mode says: root is not held back by it."""
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(b"X" + path.read_bytes()[1:])
    path.chmod(mode)


def test_digests_are_those_of_dvc(project: Path) -> None:
    recorded = recorded_outs(read_lock())
    assert recorded == {path: ("make", content_digest(project / path)) for path in ("out", "n.txt")}
    refuse_other_bytes([Path("out"), Path("n.txt"), Path("code")])
    assert list(damaged_cache(project)) == []


def test_an_input_that_other_parameters_made_is_refused(tmp_path: Path, monkeypatch) -> None:
    """As when `dvc repro --single-item report` follows a change of the model."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "dvc.lock", tmp_path)
    params = load_params(ROOT / "params.yaml")
    inputs = [Path("models/model.safetensors"), Path("data/split.csv"), Path("new.csv")]
    refuse_other_params(inputs, params)
    changed = params.train.model_copy(update={"width": params.train.width + 1})
    for update, words in (
        ({"model": "cnn"}, "models/model.safetensors: was made with model: harmonic, params.yaml"),
        ({"train": changed}, "was made with train.width: "),
        ({"split": params.split.model_copy(update={"seed": 9})}, "data/split.csv: was made with"),
    ):
        with pytest.raises(InputError, match=words):
            refuse_other_params(inputs, params.model_copy(update=update))


def test_an_output_that_is_changed_in_place_leaves_the_cache_alone(project: Path) -> None:
    for path in ("n.txt", "out/deep/b.txt"):
        overwrite(project / path)
    assert list(damaged_cache(project)) == []
    call(project, DVC, "checkout", "--force")
    assert (project / "n.txt").read_text(encoding="utf-8") == "3\n"
    assert (project / "out/deep/b.txt").read_text(encoding="utf-8") == "two\n"


@pytest.mark.parametrize("path", ["n.txt", "out/deep/b.txt"])
def test_a_damaged_entry_is_named_and_what_is_said_mends_it(project: Path, path: str) -> None:
    out = path.split("/")[0]
    good = (project / path).read_bytes()
    damaged = entry(project, hashlib.md5(good, usedforsecurity=False).hexdigest())
    overwrite(damaged)
    call(project, "rm", "-r", out)
    call(project, DVC, "repro")  # gives back the damaged copy, and finds nothing changed
    assert (project / path).read_bytes() != good
    (said,) = damaged_cache(project)
    assert said.startswith(f"make: the cache's copy of {out} is damaged; rm -rf {damaged}")
    with pytest.raises(InputError, match=re.escape(f"{out} is not what dvc.lock records")) as error:
        refuse_other_bytes([Path(out)])
    assert str(damaged) in str(error.value)
    subprocess.run(said.split("; ", 1)[1], shell=True, check=True, env=environment())
    assert (project / path).read_bytes() == good
    assert list(damaged_cache(project)) == []
    refuse_other_bytes([Path(out)])


def test_a_damaged_list_of_a_folder_is_named(project: Path) -> None:
    damaged = entry(project, content_digest(project / "out"))
    overwrite(damaged)
    (said,) = damaged_cache(project)
    assert str(damaged) in said
    subprocess.run(said.split("; ", 1)[1], shell=True, check=True, env=environment())
    assert list(damaged_cache(project)) == []


def test_a_clone_without_cache_has_nothing_damaged(project: Path) -> None:
    call(project, "rm", "-r", ".dvc/cache")
    assert list(damaged_cache(project)) == []


@pytest.mark.slow
def test_a_stage_refuses_what_a_damaged_cache_gave_back(clone: Path) -> None:
    """The pipeline itself: one byte of data/index.csv, restored by DVC, stops the split."""
    index = clone / "data/index.csv"
    overwrite(entry(clone, content_digest(index)))
    index.unlink()
    call(clone, DVC, "repro", "verify")
    split = [DVC, "repro", "--single-item", "--force", "split"]
    done = tried(clone, *split)
    assert done.returncode != 0
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("split: ")]
    command = line.split("; ", 1)[1]
    assert "data/index.csv is not what dvc.lock records, as its copy in DVC's cache" in line
    subprocess.run(command, shell=True, check=True, cwd=clone, env=environment())
    assert "Running stage 'split'" in call(clone, *split)
