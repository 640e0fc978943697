"""What the files of a run say, each checked as it is read; all of them come from outside."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers, answers_from, csv_table
from harmonic.evaluation.figures import checked_figure
from harmonic.evaluation.run_folder import FIGURES
from harmonic.reading import json_in, yaml_in

Read = Callable[[str], bytes | None]
"""The bytes of a run's file by its path in a workspace; None where it is not there."""
Truth = Callable[[str], bytes | None]
"""The truth that is kept for a digest of data (named for all: ""), None where there is none."""

FILES = (
    *("params.yaml", "run.json", "metrics.json", "intervals.json", "figures.json"),
    *("answers.csv.gz", "data/split.csv", "predictions.csv", "predictions_natural.csv", "reports"),
)


def files_read(names: Sequence[str], truth: Path | None = None) -> list[Path]:
    """Files and folders that `harmonic.evaluation.runs.read_runs` may read for these arguments."""
    found = [] if truth is None else [truth]
    for name in map(Path, names):
        if name.is_file():  # no run, but a file that somebody named
            found.append(name)
        below = [one.parent for one in name.rglob("run.json")] if name.is_dir() else []
        found += [folder / file for folder in (name, *below) for file in FILES]
        kept = {parent / "data" for folder in below for parent in folder.absolute().parents[:3]}
        found += [one for folder in sorted(kept) for one in folder.glob("*.csv.gz")]
    return found


def read_figures(read: Read, name: str) -> dict[str, float]:
    """All figures of the three files; raises InputError naming one that is impossible."""
    return {
        key: checked_figure(key, value, f"run {name}: {part}.json")
        for part in FIGURES
        for key, value in json_object(
            read(f"reports/{part}.json"), f"run {name}: {part}.json"
        ).items()
    }


def read_traits(read: Read, name: str) -> dict[str, str]:
    """The parameters of a run, `train.level` for nested ones; empty without a params.yaml.

    In a workspace those hold that dvc.lock records, as params.yaml may have changed since.
    """

    def loaded(file: str) -> Any:
        return parsed_yaml(read(file) or b"", f"run {name}: {file}")

    found: dict[str, str] = {}

    def collect(prefix: str, branch: Any) -> None:
        if isinstance(branch, dict):
            for key, value in branch.items():
                collect(f"{prefix}{key}.", value)
        else:
            found[prefix.rstrip(".")] = str(branch)

    collect("", loaded("params.yaml") or {})
    if found and (lock := loaded("dvc.lock")):
        try:
            for stage in lock["stages"].values():
                collect("", stage.get("params", {}).get("params.yaml", {}))
        except (AttributeError, KeyError, TypeError):
            raise InputError(f"run {name}: dvc.lock is none of DVC's") from None
    return found


@cache  # as a run is read twice, for its figures alone first, and parsing takes most of that
def parsed_yaml(content: bytes, name: str) -> Any:
    return yaml_in(content, name)


def read_answers(
    read: Read,
    kept_truth: Truth,
    record: Mapping[str, Any],
    name: str,
    prior_exponent: float = 1.0,
) -> Answers | None:
    """Probabilities joined with the truth; None where a run keeps none, or classes alone.

    record: of run.json: `data` is the digest of the truth, `class_counts` are those of training.
    prior_exponent: of the natural rule, as the run's figures have it.
    """
    kept = read("answers.csv.gz")
    if kept is not None:
        table = csv_table(kept, f"run {name}: answers.csv.gz")
        if "answer" in table.columns:
            return None
    else:
        predictions = read("reports/predictions.csv")
        if predictions is None:
            return None
        table = csv_table(predictions, f"run {name}: predictions.csv")
    other = read("reports/predictions_natural.csv")
    natural = None if other is None else csv_table(other, f"run {name}: natural rule")
    content = kept_truth("") or read("data/split.csv") or kept_truth(str(record.get("data", "")))
    if content is None:
        return None
    truth = csv_table(content, f"run {name}: truth")
    counts = record.get("class_counts")
    if counts is not None:
        counts = checked_counts(counts, f"run {name}")
    return answers_from(table, truth, natural, f"run {name}", counts, prior_exponent)


def checked_counts(counts: Any, name: str) -> tuple[int, ...]:
    """Training images of each class; raises InputError naming the run where they are none."""
    whole = isinstance(counts, list) and all(isinstance(one, int) and one > 0 for one in counts)
    if not whole or len(counts) != len(CLASSES):
        raise InputError(
            f"{name}: class_counts are {str(counts)[:80]}; needed are {len(CLASSES)} whole numbers "
            "above 0"
        )
    return tuple(counts)


def json_object(content: bytes | None, name: str) -> dict[str, Any]:
    """The object in a JSON file; empty where there is no file. Raises InputError for another."""
    if content is None:
        return {}
    found = json_in(content, name)
    if not isinstance(found, dict):
        raise InputError(f"{name} is no flat table")
    return found


def whole_number(value: object, name: str) -> int:
    """The value as int, from whatever run.json or params.yaml held; raises InputError naming it."""
    try:
        number = float(str(value))
    except ValueError:
        number = -1.0
    if not (number >= 0 and number.is_integer()):
        raise InputError(f"{name} is {value}; allowed is a whole number from 0")
    return int(number)


def test_set_of_parameters(traits: Mapping[str, str], metrics: Mapping[str, float]) -> str:
    """What is known of the test set of a run without predictions: the parameters that draw it."""
    known = {"source": traits["source"]} if "source" in traits else {}
    if known.get("source") == "archive" and "archive" in traits:
        known["archive"] = Path(traits["archive"]).name
    sections = ("split", "download") if known.get("source") == "sample" else ("split",)
    known |= {key: traits[key] for key in sorted(traits) if key.split(".")[0] in sections}
    if "test_images" in metrics:
        known["images"] = f"{metrics['test_images']:.0f}"
    parameters = ", ".join(f"{key}={value}" for key, value in known.items())
    return f"metrics alone, {parameters or 'test set not known'}"
