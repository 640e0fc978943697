"""The bench command: its table, its memory figure and its answers to bad input."""

import pytest
import torch
from torch import nn

from harmonic.__main__ import main
from harmonic.bench import layers as bench_module
from harmonic.bench.layers import Workload, measure, peak_memory, report

CPU = torch.device("cpu")


def test_peak_memory_counts_what_is_alive_at_once():
    mib = 2**18

    def work():
        first = torch.empty(mib)
        second = torch.empty(2 * mib)
        del first
        third = torch.empty(mib)
        return second, third

    assert peak_memory(work, CPU) == 3 * 2**20


def test_the_table_has_a_row_for_each_kind():
    conv = nn.Conv2d(2, 3, 3, padding=1)
    rows = measure(Workload("layer", conv, (2, 2, 9, 9)), 3, CPU)
    lines = report([rows], 3, CPU).splitlines()
    assert [len(row.inference) for row in rows] == [3] * 5
    assert [line.count("|") for line in lines[:7]] == [9] * 7
    kinds = [line.split("|")[2].strip() for line in lines[2:7]]
    assert kinds[0] == "nn.Conv2d"
    assert kinds[-1] == "folded"
    assert lines[2].split("|")[4].strip() == lines[2].split("|")[6].strip() == "1.00"
    by_kind = {row.kind: row.memory for row in rows}
    assert by_kind[bench_module.MAPS] > by_kind[bench_module.LINEAR]


def test_the_command_writes_its_table(tmp_path, capsys, monkeypatch):
    tiny = [Workload("layer", nn.Conv2d(2, 3, 3), (2, 2, 9, 9))]
    monkeypatch.setattr(bench_module, "workloads", lambda network: iter(tiny))
    output = tmp_path / "table.md"
    assert main(["bench", "--rounds", "1", "--device", "cpu", "--output", str(output)]) == 0
    assert output.read_text(encoding="utf-8") == capsys.readouterr().out
    assert output.read_text(encoding="utf-8").startswith("| what ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rounds", "0"], ["rounds=0"]),
        (["--threads", "-1"], ["threads=-1"]),
        (["--network", "vgg"], ["name='vgg'", "small"]),
        (["--network", "resnet-19"], ["name='resnet-19'", "18, 34, 50"]),
        (["--network", "wrn-11-2"], ["name='wrn-11-2'", "10, 16"]),
        (["--device", "abacus"], ["device='abacus'", "cpu"]),
        (["--device", "meta"], ["device='meta'", "cpu"]),
        (["--output", "."], ["--output .", "folder"]),
        (["--output", "no/such/folder/table.md"], ["no/such/folder"]),
    ],
)
def test_bad_values_get_one_clear_line(arguments, words, capsys):
    assert main(["bench", *arguments]) == 1
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    for word in words:
        assert word in message


def test_unknown_commands_are_refused(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["bake"])
    assert caught.value.code == 2
    assert "bench" in capsys.readouterr().err
