"""The code in docs/layers.md runs."""

import re
from pathlib import Path

import torch

PAGE = Path(__file__).parents[2] / "docs" / "layers.md"


def test_the_examples_run():
    examples = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(examples) == 2
    torch.manual_seed(0)
    for example in examples:
        exec(compile(example, str(PAGE), "exec"), {})
