"""Two processes take the steps that one takes; killed ones end the run, and it goes on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from harmonic.learning.processes import Processes, is_lost_process
from harmonic.learning.synchronised import over_all_processes

ROOT = Path(__file__).parents[2]
LAUNCHER = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]


@given(size=st.integers(2, 300), count=st.integers(1, 9))
def test_every_image_is_one_process_s_and_opposite_images_stay_together(
    size: int, count: int
) -> None:
    everyone = [Processes(rank, count, torch.device("cpu")) for rank in range(count)]
    shares = [process.share(size) for process in everyone]
    if everyone[0].parts(size) == 1:
        assert all(share is None for share in shares)
        assert count == 1 or (size + 1) // 2 < count
        return
    dealt = [share.tolist() for share in shares if share is not None]
    assert sorted(row for share in dealt for row in share) == list(range(size))
    for share in dealt:
        assert share == sorted(share)
        assert share[::-1] == [size - 1 - row for row in share]
    assert max(map(len, dealt)) - min(map(len, dealt)) <= 2


def trained(folder: Path, processes: int, *options: str) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    launcher = LAUNCHER if processes == 2 else []
    return subprocess.run(
        [sys.executable, *launcher, "-m", "tests.learning.two_processes", str(folder), *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )


@pytest.mark.slow
@pytest.mark.parametrize("batch_norm", ["none", "all"])
def test_two_processes_end_with_what_one_ends_with(tmp_path: Path, batch_norm: str) -> None:
    """Up to rounding; with mixing, class weights, a last batch of 3, and statistics of batches."""
    for name, processes in (("one", 1), ("two", 2)):
        ended = trained(tmp_path / name, processes, batch_norm, "0")
        assert ended.returncode == 0, ended.stderr
    one, two = (load_file(tmp_path / name / "state") for name in ("one", "two"))
    assert one.keys() == two.keys()
    for name, expected in one.items():
        torch.testing.assert_close(two[name], expected, rtol=1e-3, atol=1e-4)
    histories = [
        json.loads((tmp_path / name / "found.json").read_text(encoding="utf-8"))["history"]
        for name in ("one", "two")
    ]
    for found, expected in zip(histories[1], histories[0], strict=True):
        assert found["train_loss"] == pytest.approx(expected["train_loss"], abs=1e-4)
        assert found["val_loss"] == pytest.approx(expected["val_loss"], abs=1e-4)


@pytest.mark.slow
def test_a_killed_process_ends_the_run_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """With two processes, and again with one: both end with the weights of an unbroken run."""
    unbroken = trained(tmp_path / "whole", 1, "none", "0")
    assert unbroken.returncode == 0, unbroken.stderr
    killed = trained(tmp_path / "cut", 2, "none", "1")
    assert killed.returncode != 0
    assert "SIGKILL" in killed.stderr
    assert (tmp_path / "cut" / "checkpoint").exists()
    resumed = trained(tmp_path / "cut", 2, "none", "0")
    assert resumed.returncode == 0, resumed.stderr
    found = json.loads((tmp_path / "cut" / "found.json").read_text(encoding="utf-8"))
    assert found["resumed_after"] == 1
    expected = load_file(tmp_path / "whole" / "state")
    for name, value in load_file(tmp_path / "cut" / "state").items():
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-4)


def test_second_derivatives_of_shared_statistics_see_every_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two processes of the same values are one process of each value twice."""
    values = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)

    def curvature(statistics: tuple[torch.Tensor, torch.Tensor, int]) -> torch.Tensor:
        loss = statistics[0].pow(3).sum() + statistics[1].pow(2).sum()
        (first,) = torch.autograd.grad(loss, values, create_graph=True)
        return torch.autograd.grad(first.pow(2).sum(), values)[0]

    def of(values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, int]:
        return values.mean(dim=0), values.var(dim=0, correction=0), len(values)

    expected = curvature(of(torch.cat([values, values])))
    # like the real one, out of autograd's sight
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda tensor: tensor.data.mul_(2))
    torch.testing.assert_close(curvature(over_all_processes(*of(values))), expected)


def test_only_failed_exchanges_tell_of_a_lost_process() -> None:
    lost = "[../gloo/transport/tcp/pair.cc:534] Connection closed by peer [127.0.0.1]:1"
    assert is_lost_process(RuntimeError(lost))
    assert not is_lost_process(RuntimeError("size mismatch"))
