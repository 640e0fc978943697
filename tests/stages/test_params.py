"""params.yaml: what is accepted, and the one line that a mistake gets."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from harmonic.errors import InputError
from stages.harness.params import load_params

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "params.yaml").read_text(encoding="utf-8")


def changed(tmp_path: Path, old: str, new: str) -> Path:
    assert old in TEXT
    path = tmp_path / "params.yaml"
    path.write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    return path


def test_the_committed_file_is_valid() -> None:
    params = load_params(ROOT / "params.yaml")
    assert params.value_of("split.seed") == params.split.seed
    assert params.value_of("train")["network"] == params.train.network


def test_every_knob_has_a_comment() -> None:
    uncommented = [
        line for line in TEXT.splitlines() if re.match(r"\s*\w+:\s*\S", line) and "#" not in line
    ]
    assert uncommented == []


@pytest.mark.parametrize("text", ["1e-4", "1.0e-4", "0.0001", "1E-4"])
def test_numbers_are_read_as_yaml_1_2(tmp_path: Path, text: str) -> None:
    assert load_params(changed(tmp_path, "lr: 0.003", f"lr: {text}")).lr == 1e-4


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("lr: 0.003", "lr: abc", "lr is 'abc'; it must be a number above 0"),
        ("lr: 0.003", "lr: true", "lr is True; it must be a number above 0"),
        ("lr: 0.003", "lr: .nan", "lr is nan; it must be a number above 0"),
        ("lr: 0.003", "lr: 0", "lr is 0; it must be a number above 0"),
        ("lr: 0.003", "lr: '0.001'", "lr is '0.001'; it must be a number above 0"),
        ("lr: 0.003", "lrr: 0.001", "unknown key lrr; did you mean lr?"),
        ("image_size: 64", "image_size: 20", "image_size is 20; it must be a whole number from 28"),
        ("model: harmonic", "model: resnet", "model is 'resnet'; it must be one of harmonic, cnn"),
        ("width: 16", "width: 32.5", "train.width is 32.5; it must be a whole number"),
        ("  width: 16", "  widht: 32", "unknown key train.widht; did you mean train.width?"),
        ("level: null", "level: 9", "train.level is 9; it must be null"),
        ("level: null", "level: steep", "train.level is 'steep'; it must be null"),
        ("network: small", "network: wrn-17-4", "train: network (wrn-17-4): depth 10, 16"),
        ("network: small", "network: resnet-20", "train.network is 'resnet-20'; it must be one of"),
        ("views: 8", "views: 4", "evaluate.views is 4; it must be 1"),
        ("views: 8", "views: true", "evaluate.views is True; it must be 1"),
        ("views: 8", "views: 8.0", "evaluate.views is 8.0; it must be 1"),
        ("exact: auto", "exact: 1", "exact is 1; it must be one of auto, true, false"),
        ("lr: 0.003", "lr: &rate 0.003\nepochs: *rate #", "no valid YAML (alias *rate)"),
        ("lr: 0.003", "lr: !!timestamp 9999-99-99", "no valid YAML (month must be in 1..12)"),
        ("lr: 0.003", "lr: " + "[" * 3000, "no valid YAML (nested too deeply)"),
        ("lr: 0.003", "lr: 0x" + "f" * 9000, "no valid YAML (Exceeds the limit"),
        ("lr: 0.003", "lr: 1" + "0" * 400, "lr is 1000"),
        ("lr: 0.003", "lr: 0.003 #" + "x" * 200_000, "bytes; 131072 are allowed"),
        ("highest: 1.0", "highest: 1e-6", "find_lr: lowest (1e-05) must be below highest"),
        ("seed: 0", "seed: 0\nseed: 1", "duplicate key"),
        ("seed: 0", "5: 1\nseed: 0", "key 5 is no text"),
        ("  views: 8", "  5: 1\n  views: 8", "key 5 is no text"),
        ("archive: data/no-archive", 'archive: "a\\tb"', "archive is 'a\\tb'; it must be the path"),
        ("launcher: python ", "launcher: touch x #", "train.launcher is 'touch x'; it must be"),
        ("model: harmonic", "model: [harmonic", "no valid YAML"),
        ("device: auto", "device: gpu", "device is 'gpu'; it must be one of auto, cpu, cuda"),
        ("val: 0.15", "val: 0", "split.val is 0; it must be a number from 0.02"),
    ],
)
def test_a_mistake_gets_one_line(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        load_params(changed(tmp_path, old, new))
    assert "\n" not in str(caught.value)
    assert message.startswith("unknown key") or "more)" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "- a list", "lr", "\x00"])
def test_a_file_that_is_no_table_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InputError):
        load_params(path)


def test_a_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="top folder"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize("stage", ["download", "train"])
def test_a_stage_stops_before_torch_is_imported(tmp_path: Path, stage: str) -> None:
    """The parameters of all stages are checked first; torch alone takes seconds to import."""
    params = changed(tmp_path, "epochs: ", "epochs: many # ")
    command = ["-X", "importtime", "-m", f"stages.{stage}", "--params", str(params)]
    done = subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    imported = {line.split("|")[-1].strip() for line in lines if line.startswith("import time:")}
    assert not imported & {"torch", "pandas"}
    said = [line for line in lines if not line.startswith("import time:")]
    assert len(said) == 1
    assert said[0].startswith(f"{stage}: ")
    assert "epochs is 'many'" in said[0]
