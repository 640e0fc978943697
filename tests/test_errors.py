"""Names and values from outside in messages: one line, and nothing that steers a terminal."""

import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harmonic.errors import InputError, one_line, printable
from harmonic.markdown import markdown_table, markdown_text


@given(st.text(st.characters(exclude_categories=[]), max_size=20))
def test_text_from_outside_stays_on_one_line_and_in_utf_8(text: str) -> None:
    for shown in (printable(text), str(InputError(f"image {text}: is none")), one_line(text)):
        assert shown.isprintable()
        shown.encode()
    assert printable(printable(text)) == printable(text)
    assert str(pickle.loads(pickle.dumps(InputError(text)))) == printable(text)  # from a worker
    (head, rule, row) = markdown_table(["name", "value"], [[text, 1]]).splitlines()
    assert head.count("|") == rule.count("|") == row.count("|") - text.count("|")


@given(st.text(st.sampled_from("<>&|[]()`\\ab\n\x1b\u202e!"), max_size=20))
def test_text_from_outside_is_text_on_a_page(text: str) -> None:
    shown = markdown_text(text)
    assert shown.isprintable()
    assert not {"<", ">"} & set(shown)
    bare = shown.replace("\\\\", "")
    for sign in "|[]`":
        assert bare.count(sign) == bare.count(f"\\{sign}")


@pytest.mark.parametrize("name", ["new\nline", "\x1b[31mred", "\x9b31m", "\u202eoff", "\x07"])
def test_a_command_prints_one_printable_line(name: str) -> None:
    command = [sys.executable, "-m", "harmonic", "compare", name]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.isprintable()
    assert printable(name) in line
