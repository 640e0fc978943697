"""README says what results/ holds, to the letter."""

import json
from pathlib import Path

from benchmarks.published import RESULTS, table
from harmonic.evaluation.comparison import METRICS, Section, arms_of
from harmonic.evaluation.comparison_text import arms_table
from harmonic.evaluation.runs import read_runs

ROOT = Path(__file__).parents[1]


def test_the_result_table_is_made_from_results() -> None:
    files = sorted((ROOT / RESULTS).glob("*-64px.json"))
    documents = [json.loads(path.read_text(encoding="utf-8")) for path in files]
    assert len(documents) >= 2
    assert table(documents) in (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_comparison_is_made_from_results() -> None:
    """The table, and the figures of the leak that the text names."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    comparison = (ROOT / RESULTS / "comparison.md").read_text(encoding="utf-8")
    tables = comparison[comparison.index("| arm") : comparison.index("McNemar")].rstrip()
    assert tables in readme
    leak = (ROOT / RESULTS / "leak.md").read_text(encoding="utf-8")
    words = " ".join(readme.split())
    for row, named in {
        "balanced accuracy, all test images": "{} balanced accuracy {}",
        "balanced accuracy, with a sibling in training": "{} balanced accuracy {}",
        "macro AUC, all test images": "{} macro AUC {}",
    }.items():
        (line,) = (line for line in leak.splitlines() if line.startswith(f"| {row} "))
        shown = line.split("|")[-2].strip().replace("+", "").replace("-", "−")
        assert named.format(*shown.split(" ", 1)) in words
    assert f"{leak.split('--seeds ')[1].split()[0]} seeds".replace("6", "six") in words


def test_the_means_of_the_comparison_are_those_of_the_runs() -> None:
    """Without the page in between, whose making takes minutes."""
    runs = [
        run
        for run in read_runs([str(ROOT / RESULTS / "runs.csv")])
        if run.test_set.startswith("small, ")
        and run.fold is None
        and run.traits["arm"] in ("cnn", "harmonic")
    ]
    (test_set,) = {run.test_set for run in runs}
    made = arms_table(Section(test_set, tuple(arms_of(runs, ("arm",))), ()), METRICS)
    readme = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    for line in made.splitlines()[2:]:
        assert line in readme


def test_the_post_taken_apart_is_made_from_results() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    page = (ROOT / RESULTS / "post_protocol.md").read_text(encoding="utf-8")
    first, second = page.split("as it did: precision ")[1].split(", recall")[0].split(", ")
    (seen,) = (line for line in page.splitlines() if "| of it, images trained on |" in line)
    (unseen,) = (line for line in page.splitlines() if "| lesions never trained on |" in line)
    assert f"{first} and {second}" in readme
    assert f"{seen.split('|')[3].split()[0]} on the test images that it was trained on" in readme
    assert f"{unseen.split('|')[3].strip()} balanced accuracy on lesions" in readme


def test_the_cross_validation_is_made_from_results() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    page = (ROOT / RESULTS / "comparison.md").read_text(encoding="utf-8")
    pooled = page[page.index("### 5 folds pooled") :].splitlines()
    rows = {line.split("|")[1].strip(): line.split("|") for line in pooled if line.startswith("| ")}
    harmonic, cnn = (f"{float(rows[arm][3]):.3f}" for arm in ("harmonic", "cnn"))
    value, interval = (rows["balanced accuracy"][place].strip() for place in (2, 3))
    assert f"the two have {harmonic} and {cnn}" in readme
    assert f"of {float(value):.3f} {interval.replace('+', '')} over lesions" in readme


def test_the_effect_of_hair_removal_is_made_from_results() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = (ROOT / RESULTS / "hair_effect.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if "balanced accuracy" in line]
    assert len(rows) == 2
    for row in rows:
        shown = row.split("|")[-3].strip().replace("+", "").replace("-", "−")
        assert shown in " ".join(readme.split())


def test_what_smaller_files_cost_is_made_from_results() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = (ROOT / RESULTS / "compression.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if "| harmonic | level 2 | trained so" in line)
    assert row.split("|")[-3].strip().replace("-", "−") in " ".join(readme.split())


def test_what_little_data_show_is_made_from_results() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    page = (ROOT / RESULTS / "small_data.md").read_text(encoding="utf-8")
    for arm in ("plain-first", "ortho-first", "l1-first"):
        (row,) = (line for line in page.splitlines() if f"| {arm} | clean test |" in line)
        assert row.split("|")[3].strip().replace("-", "−") in readme


def test_how_far_a_core_gets_is_made_from_results() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").split())
    page = (ROOT / RESULTS / "accuracy.md").read_text(encoding="utf-8")
    (row,) = (line for line in page.splitlines() if line.startswith("| long | harmonic |"))
    for figure in row.split("|")[6:11]:
        assert figure.strip() in readme
    (plain,) = (line for line in page.splitlines() if line.startswith("| long | cnn |"))
    assert f"cnn, four seeds, has {plain.split('|')[6].strip()}" in readme
    compared = (ROOT / RESULTS / "comparison_long.md").read_text(encoding="utf-8")
    (row,) = (line for line in compared.splitlines() if line.startswith("| balanced accuracy  |"))
    _, _, value, _, _, over_both, _ = row.split("|")
    assert f"{float(value):+.3f} {over_both.strip().replace('-', '−')}" in readme


def test_what_layers_cost_is_made_from_results() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    page = (ROOT / RESULTS / "layers.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| network 'small'")]
    assert len(rows) == 5
    for row in rows:
        assert row in readme
