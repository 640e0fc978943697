"""Variables of a launcher that did not start this process never make it a follower, nor wait."""

import socket
from datetime import timedelta
from pathlib import Path

import pytest

from harmonic.errors import InputError
from harmonic.learning import processes
from harmonic.learning.launcher import VARIABLES, Place, check_launcher, launched_place
from stages import train
from stages.harness.stage import is_follower
from stages.harness.start import become_launcher

ROOT = Path(__file__).parents[2]
WHOLE = {
    "RANK": "1",
    "WORLD_SIZE": "2",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "1",
}
"""What torchrun sets for the second of two processes."""


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def put(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ({}, Place(0, 1, 0)),
        ({"RANK": "", "WORLD_SIZE": ""}, Place(0, 1, 0)),
        ({"LOCAL_RANK": "3", "MASTER_ADDR": "elsewhere"}, Place(0, 1, 0)),
        ({"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}, Place(0, 1, 0)),
        ({"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}, Place(0, 1, 0)),
        (WHOLE, Place(1, 2, 1)),
        (WHOLE | {"RANK": "9", "WORLD_SIZE": "16"}, Place(9, 16, 1)),
    ],
)
def test_a_whole_account_of_the_processes_is_believed(
    variables: dict[str, str], place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, variables)
    assert launched_place() == place


LEFT_OVER = [
    ({"RANK": "1"}, "it has no WORLD_SIZE and no LOCAL_RANK"),
    ({"RANK": "1", "WORLD_SIZE": "1"}, "it has no LOCAL_RANK"),
    ({"RANK": "1", "WORLD_SIZE": "2"}, "it has no LOCAL_RANK"),
    ({"WORLD_SIZE": "2"}, "it has no RANK"),
    ({"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}, "it has no MASTER_PORT"),
    ({"RANK": "one"}, "it has no WORLD_SIZE"),
    (WHOLE | {"RANK": "2"}, "do not fit together"),
    (WHOLE | {"WORLD_SIZE": "1"}, "do not fit together"),
    (WHOLE | {"LOCAL_RANK": "2"}, "do not fit together"),
    (WHOLE | {"RANK": "-1"}, "RANK (-1) is no whole number"),
    (WHOLE | {"RANK": "one"}, "RANK (one) is no whole number"),
    (WHOLE | {"WORLD_SIZE": "2.0"}, "WORLD_SIZE (2.0) is no whole number"),
    (WHOLE | {"MASTER_PORT": "tcp"}, "MASTER_PORT (tcp) is no whole number"),
]


@pytest.mark.parametrize(("variables", "wrong"), LEFT_OVER)
@pytest.mark.parametrize("launcher", ["python", "torchrun --nproc-per-node 2"])
def test_half_an_account_is_refused_with_what_to_do(
    variables: dict[str, str], wrong: str, launcher: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(monkeypatch, variables)
    with pytest.raises(InputError) as caught:
        check_launcher(launcher)
    assert wrong in str(caught.value)
    assert "unset RANK WORLD_SIZE" in str(caught.value)
    assert "train.launcher" in str(caught.value)
    with pytest.raises(InputError), processes.joined("cpu"):
        pass


def test_a_whole_account_is_refused_where_the_launcher_is_python(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    put(monkeypatch, WHOLE)
    check_launcher("torchrun --standalone --nproc-per-node 2")
    with pytest.raises(InputError, match="launcher is python, which starts one process"):
        check_launcher("python")


@pytest.mark.parametrize("variables", [*(variables for variables, _ in LEFT_OVER), WHOLE])
def test_training_that_would_write_nothing_ends_with_one_line_and_status_1(
    variables: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Before it reads anything: none of its inputs is there."""
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    text = text.replace("exact: auto", "exact: false")  # these tests have loaded torch
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "dvc.yaml").write_bytes((ROOT / "dvc.yaml").read_bytes())
    monkeypatch.chdir(tmp_path)
    places = ["--images", "i", "--split", "s", "--model", "m", "--history", "h"]
    monkeypatch.setattr("sys.argv", ["train", *places, "--first-batch", "f"])
    put(monkeypatch, variables)
    assert train.main() == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert "unset RANK WORLD_SIZE" in said.err


def test_what_an_earlier_torchrun_left_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """With it, a lone process trained alone, or waited for others, under launcher torchrun."""
    put(monkeypatch, WHOLE | {"TORCHELASTIC_RUN_ID": "none"})
    started: list[list[str]] = []
    monkeypatch.setattr("os.execv", lambda program, command: started.append(command))
    become_launcher("torchrun --standalone --nproc-per-node 2", "train")
    assert started[0][1:3] == ["-m", "torch.distributed.run"]


@pytest.mark.parametrize(
    ("rank", "follows"), [("", False), ("0", False), ("00", False), ("1", True), ("010", True)]
)
def test_a_follower_is_told_by_its_number(
    rank: str, follows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", rank)
    assert is_follower() is follows


@pytest.mark.parametrize("rank", ["0", "1"])
def test_processes_that_never_come_are_waited_for_a_bounded_time(
    rank: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    put(monkeypatch, WHOLE | {"RANK": rank, "LOCAL_RANK": rank, "MASTER_PORT": port})
    monkeypatch.setattr(processes, "JOINING", timedelta(seconds=1))
    with (
        pytest.raises(InputError, match=f"process {rank} did not find the other 1 within 1 s"),
        processes.joined("cpu"),
    ):
        pass
