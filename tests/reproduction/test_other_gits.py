"""Clones of Git for Windows, and copies without a repository."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.stages.clones import ROOT, environment, tried


def test_no_setting_of_git_changes_a_line_ending(tmp_path: Path) -> None:
    origin, clone = tmp_path / "origin", tmp_path / "clone"
    origin.mkdir()
    for name in (".gitattributes", "params.yaml", "Makefile"):
        shutil.copy(ROOT / name, origin)
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "one"]):
        subprocess.run(["git", *words], cwd=origin, env=environment(), check=True)
    words = ["clone", "--quiet", "--config", "core.autocrlf=true", origin, clone]
    subprocess.run(["git", *words], check=True)
    for name in ("params.yaml", "Makefile"):
        assert (clone / name).read_bytes() == (ROOT / name).read_bytes()


def test_outside_a_repository_it_is_said_what_to_type(tmp_path: Path) -> None:
    for name in ("params.yaml", "dvc.yaml", "dvc.lock"):
        shutil.copy(ROOT / name, tmp_path)
    words = [sys.executable, "-m", "reproduction", "gate"]
    done = tried(tmp_path, *words, PYTHONPATH=str(ROOT))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "is in no git repository: git init && git add --all" in line
