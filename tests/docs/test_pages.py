"""README and docs/ say what results/ holds: each page is what its template gives."""

import re
import shutil
from pathlib import Path

import pytest
import torch

from docs import figures, render
from docs.filters import KERNEL, coefficients, draw, rebuilt
from harmonic.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A copy of the pages of results/ that a test may falsify."""
    render.rendered()  # the runs, which are read once, are those of the repository
    folder = tmp_path / "results"
    shutil.copytree(ROOT / "results", folder, ignore=shutil.ignore_patterns("*.gz", "*.svg"))
    monkeypatch.setattr(figures, "RESULTS", folder)
    return folder


def test_every_page_is_what_its_template_gives() -> None:
    pages = render.rendered()
    assert "README.md" in pages
    assert "docs/results.md" in pages
    for page, text in pages.items():
        assert (ROOT / page).read_text(encoding="utf-8") == text, f"{page}: python -m docs.render"


def test_check_says_which_page_was_changed_by_hand(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setattr(render, "rendered", lambda: {"README.md": "0.59", "docs/hair.md": "3"})
    monkeypatch.setattr(figures, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text("0.60", encoding="utf-8")
    assert render.main(["--check"]) == 1
    assert capsys.readouterr().out.count("not what its template gives") == 2
    assert render.main([]) == 0
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "0.59"
    assert render.main(["--check"]) == 0


@pytest.mark.parametrize(
    ("page", "true", "false"),
    [
        ("comparison.md", "0.5951 ± 0.0111", "0.6951 ± 0.0111"),
        ("comparison.md", "[+0.019, +0.091]", "[+0.029, +0.091]"),
        ("comparison_long.md", "[-0.011, +0.080]", "[+0.011, +0.080]"),
        ("accuracy.md", " 0.31 M |       10 |", " 0.31 M |       20 |"),
        ("compression.md", "| 308,263 ", "| 208,263 "),
        ("compression.md", "| 36.8% ", "| 26.8% "),
        ("leak.md", "+0.008 [+0.001, +0.014]", "+0.108 [+0.001, +0.014]"),
        ("leak.md", "--seeds 6", "--seeds 8"),
        ("post_protocol.md", "0.974 [0.969, 0.980]", "0.874 [0.869, 0.880]"),
        ("small_data.md", "+1.9 [+0.3, +3.5]", "+2.9 [+0.3, +3.5]"),
        ("hair_effect.md", "-0.018 [-0.051, +0.012]", "+0.018 [+0.011, +0.042]"),
        ("layers.md", "| 83.18 | 1.05 |", "| 63.18 | 0.95 |"),
    ],
)
def test_a_falsified_figure_changes_a_page(page, true, false, results) -> None:
    path = results / page
    text = path.read_text(encoding="utf-8")
    assert true in text
    path.write_text(text.replace(true, false), encoding="utf-8")
    made = render.rendered()
    assert any(made[one] != (ROOT / one).read_text(encoding="utf-8") for one in made)


def test_what_is_not_in_a_result_page_is_refused(results) -> None:
    with pytest.raises(InputError, match=r"results/leek\.md: no such page"):
        figures.rows("leek.md")
    with pytest.raises(InputError, match=r"accuracy\.md: 0 rows with arm = vgg; one is needed"):
        figures.row("accuracy.md", {"arm": "vgg"})
    with pytest.raises(InputError, match=r"accuracy\.md: 3 rows with arm = cnn"):
        figures.row("accuracy.md", {"arm": "cnn"})
    with pytest.raises(InputError, match=r"no heading starts with 'Preset huge'"):
        figures.text_of("small_data.md", "Preset huge")
    with pytest.raises(InputError, match=r"nothing matches '--folds"):
        figures.words("leak.md", r"--folds (\d+)")


def test_readme_is_short_and_its_example_runs() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(readme.splitlines()) <= 130
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)
    images = torch.randn(1, 3, 32, 32)
    network, harmonic = names["network"].eval(), names["harmonic"].eval()
    torch.testing.assert_close(harmonic(images), network(images), atol=1e-4, rtol=1e-4)
    smaller, plain = names["smaller"].eval(), names["plain"].eval()
    torch.testing.assert_close(plain(images), smaller(images), atol=1e-4, rtol=1e-4)
    assert not any("Harmonic" in type(one).__name__ for one in plain.modules())
    assert names["layer"](images).shape == (1, 32, 32, 32)


def test_the_picture_is_drawn_from_the_filter_bank() -> None:
    filters, weights = coefficients()
    torch.testing.assert_close((filters * weights[:, None, None]).sum(0), KERNEL.double())
    torch.testing.assert_close(rebuilt(1), KERNEL.double().mean().expand(3, 3))
    drawn = draw()
    assert drawn == draw()
    # The strokes may differ with the drawing library, the texts and tiles do not.
    kept = (ROOT / "docs" / "filters.svg").read_bytes()
    assert drawn.count(b"<!--") == kept.count(b"<!--") > 9
