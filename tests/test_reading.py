"""Tables, JSON and YAML from outside: what is damaged or would fill the memory ends in one line."""

import gzip
import time
from pathlib import Path

import pytest

from harmonic.data.metadata import parse_table
from harmonic.errors import InputError
from harmonic.evaluation.answers import csv_table
from harmonic.evaluation.runs import folder_run
from harmonic.reading import LARGEST_TABLE, LONGEST_LINE, content_of, json_in, yaml_in

ALIASES = "a0: &a0 [x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 9)
)
"""Nine lines that stand for 43 million values."""


@pytest.mark.parametrize("read", [csv_table, lambda content, name: parse_table(content, name, [])])
@pytest.mark.parametrize(
    ("content", "part"),
    [
        (gzip.compress(b"image,MEL\n" + bytes(100 * 2**20)), "has more than 33,554,432 bytes"),
        (gzip.compress(b"image\na\n")[:-9], "cut short"),
        (b"\x1f\x8b\x08\x00 no more of a gzip file", "no readable CSV"),
        (b"," * (LARGEST_TABLE // 2), "a line has 16777216 bytes; 100000 are allowed"),
        (b"image\na\n" + b"," * (LONGEST_LINE + 1), "a line has 100001 bytes"),
        (b"image\n" + b"\n" * LARGEST_TABLE, "has more than 33,554,432 bytes"),
    ],
)
def test_a_table_is_bounded_in_what_it_becomes(read, content: bytes, part: str) -> None:
    with pytest.raises(InputError) as caught:
        read(content, "answers.csv.gz")
    assert str(caught.value).startswith("answers.csv.gz")
    assert part in str(caught.value)


def test_a_gzipped_table_is_read() -> None:
    assert csv_table(gzip.compress(b"image,MEL\n0001,0.5\n"), "a")["image"].tolist() == ["0001"]


@pytest.mark.parametrize(
    ("text", "part"),
    [
        (ALIASES, "line 2: no valid YAML (alias *a0)"),
        ("a: &a [*a]", "alias *a"),
        ("a: !!timestamp 9999-99-99", "month must be in 1..12"),
        ("a: !!bool x", "no valid YAML"),
        ("[" * 3000, "nested too deeply"),
        ("- " * 3000, "nested too deeply"),
        ("a: 0x" + "f" * 9000, "Exceeds the limit"),
        ("a: [", "line 1: no valid YAML"),
        ("a: \x1b[31m", "no valid YAML"),
        ("#" * 200_000, "has 200000 bytes"),
    ],
)
def test_yaml_is_bounded_in_what_it_becomes(text: str, part: str) -> None:
    started = time.process_time()
    with pytest.raises(InputError) as caught:
        yaml_in(text.encode(), "params.yaml")
    assert part in str(caught.value)
    assert str(caught.value).isprintable()
    assert time.process_time() - started < 5


@pytest.mark.parametrize("content", [b"{", b"[" * 100_000, b"9" * 9000, b"\xff", b""])
def test_json_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"run.json: no valid JSON"):
        json_in(content, "run.json")


def test_a_run_with_a_bomb_of_aliases_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text('{"accuracy": 0.5}')
    (tmp_path / "params.yaml").write_text(ALIASES)
    with pytest.raises(InputError, match=r"params.yaml, line 2: no valid YAML \(alias"):
        folder_run(tmp_path)


def test_a_file_is_read_or_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not there"):
        content_of(tmp_path / "gone")
    with pytest.raises(InputError, match="is a folder"):
        content_of(tmp_path)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(InputError, match="has more than 33,554,432 bytes"):
        content_of(tmp_path / "large")
