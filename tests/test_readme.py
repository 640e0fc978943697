"""README says what results/ holds, to the letter."""

import json
from pathlib import Path

from benchmarks.published import RESULTS, table

ROOT = Path(__file__).parents[1]


def test_the_result_table_is_made_from_results() -> None:
    files = sorted((ROOT / RESULTS).glob("*-64px.json"))
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    assert len(documents) >= 2
    assert table(documents) in (ROOT / "README.md").read_text(encoding="utf-8")
