"""Runs of a revision, wherever in a git repository the project lies."""

import subprocess
from pathlib import Path

import pytest

from harmonic.evaluation.runs import read_runs
from tests.stages.clones import environment


@pytest.mark.parametrize("place", [".", "work/of/others"])
def test_a_revision_is_found_from_a_folder_of_the_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    project = tmp_path / place
    (project / ".dvc").mkdir(parents=True)
    (project / ".dvc/config").write_text("[core]\n    analytics = false\n")
    (project / "reports").mkdir()
    (project / "reports/metrics.json").write_text('{"accuracy": 0.5}')
    (project / "params.yaml").write_text("seed: 3\n")
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "-m", "one"]):
        subprocess.run(["git", *words], cwd=tmp_path, env=environment(), check=True)
    (project / "reports/metrics.json").write_text('{"accuracy": 0.7}')
    monkeypatch.chdir(project)
    first, again = read_runs(["HEAD", "HEAD"])
    assert first.metrics == again.metrics == {"accuracy": 0.5}
    assert first.seed == 3
