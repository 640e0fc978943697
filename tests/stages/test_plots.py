"""The drawings of `dvc plots show`: as the report has them."""

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from dvc_render.vega_templates import get_template
from ruamel.yaml import YAML

from harmonic.data.classes import CLASSES

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / ".dvc" / "plots"
PLOTS = {
    name: plot
    for entry in YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["plots"]
    if isinstance(entry, dict)
    for name, plot in entry.items()
}


def drawn(name: str) -> dict[str, Any]:
    """The template that a plot of dvc.yaml is drawn by."""
    content = get_template(PLOTS[name]["template"], TEMPLATES).content  # text, of a file
    found: dict[str, Any] = json.loads(content) if isinstance(content, str) else content
    return found


@pytest.mark.parametrize("name", PLOTS)
def test_each_plot_has_a_template(name: str) -> None:
    assert drawn(name)["data"] == {"values": "<DVC_METRIC_DATA>"}


def test_confusion_has_the_truth_in_rows_in_the_order_of_the_classes_and_their_shares() -> None:
    plot, spec = PLOTS["confusion"], drawn("confusion")["spec"]
    assert (plot["x"], plot["y"]) == ("predicted", {"reports/confusion.csv": "actual"})
    assert spec["encoding"]["y"]["field"] == "<DVC_METRIC_Y>"
    assert all(spec["encoding"][axis]["sort"] == list(CLASSES) for axis in "xy")
    summed, divided = next(
        pair for pair in pairwise(spec["transform"]) if "joinaggregate" in pair[0]
    )
    assert summed["groupby"] == ["rev", "<DVC_METRIC_Y>"]
    assert divided["calculate"] == "datum.images / datum.of_the_row"


def test_rates_lie_on_a_logarithmic_axis_and_points_of_compression_have_names() -> None:
    assert drawn("learning_rate_range")["encoding"]["x"]["scale"] == {"type": "log"}
    texts = [layer["encoding"]["text"] for layer in drawn("compression")["layer"][1:]]
    assert [text["field"] for text in texts] == ["weights"]
