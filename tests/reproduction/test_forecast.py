"""How long the whole takes is said where it begins, and nowhere else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from reproduction import forecast
from stages.harness.params import load_params
from stages.harness.pipeline import outputs, read_pipeline

ROOT = Path(__file__).parents[2]


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the pipeline and its parameters, and no outputs; a forecast takes no time."""
    for name in ("params.yaml", "dvc.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(forecast, "forecast", lambda params: 200.0)
    return tmp_path


def test_a_fresh_clone_is_told(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert forecast.main() == 0
    assert (
        capsys.readouterr().out
        == "The whole takes about 3 min here, by what a little of it took just now.\n"
    )


def test_nothing_is_told_of_what_has_been_run(
    fresh: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for stage in read_pipeline().values():
        for path in map(Path, outputs(stage)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    assert forecast.main() == 0
    assert not capsys.readouterr().out


def test_nothing_is_told_of_a_download(fresh: Path, capsys: pytest.CaptureFixture[str]) -> None:
    params = fresh / "params.yaml"
    params.write_text(params.read_text().replace("source: sample", "source: kaggle"))
    assert forecast.main() == 0
    assert not capsys.readouterr().out


@pytest.mark.slow
def test_twice_the_epochs_take_longer() -> None:
    """In a process of its own, as exact mode has to come before PyTorch."""
    measure = (
        "from pathlib import Path; from reproduction.forecast import forecast; "
        "from stages.harness.params import load_params; params = load_params(Path('params.yaml')); "
        "print(forecast(params.model_copy(update={'epochs': EPOCHS})))"
    )
    few, many = (
        float(
            subprocess.check_output(
                [sys.executable, "-c", measure.replace("EPOCHS", str(epochs))], cwd=ROOT, text=True
            )
        )
        for epochs in (1, 200)
    )
    assert 0 < few < many
    assert load_params(ROOT / "params.yaml").epochs < 200
