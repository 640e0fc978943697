"""torch.compile: the same function where there is a compiler, one line where there is none."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import torch
from harmonic.learning.device import compile_in_place
model = torch.nn.Linear(3, 2)
names = list(model.state_dict())
values = torch.ones(4, 3)
expected = model(values)
compile_in_place(model, torch.device("cpu"))
assert list(model.state_dict()) == names
torch.testing.assert_close(model(values), expected)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("compiler", "lines"), [("c++", 0), ("/no/compiler", 1)])
def test_compilation_keeps_the_function_and_its_absence_is_said(compiler: str, lines: int) -> None:
    """In a process of its own, as the compiler is looked for once a process."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, "CXX": compiler, "TORCHINDUCTOR_FORCE_DISABLE_CACHES": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    said = [line for line in ended.stderr.splitlines() if line.startswith("train.compile: going")]
    assert len(said) == lines, ended.stderr
