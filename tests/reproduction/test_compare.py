"""Two records side by side: statuses, the first parting, and what is said about it."""

from dataclasses import replace

import pytest

from reproduction.compare import (
    DIFFERENT,
    MISSING,
    SAME,
    STALE,
    WITHIN,
    compare,
    explanation,
    first_parting,
    metrics_apart,
    needed_for,
    read_tolerances,
    table,
)
from reproduction.environment import differences
from stages.harness.pipeline import Recorded

LOCK = {
    "report": Recorded("r", {"model": "3", "report.py": "c"}, {}, {"page": "4"}),
    "train": Recorded("t", {"images": "2", "train.py": "b"}, {"seed": 0}, {"model": "3"}),
    "resize": Recorded("s", {"resize.py": "a"}, {}, {"images": "2"}),
}


def statuses(now: dict[str, Recorded], tolerated: tuple[str, ...] = ()) -> dict[str, str]:
    return {found.stage: found.status for found in compare(LOCK, now, tolerated=tolerated)}


def test_an_equal_record_passes_in_pipeline_order() -> None:
    verdicts = compare(LOCK, LOCK)
    assert [found.stage for found in verdicts] == ["resize", "train", "report"]
    assert [found.status for found in verdicts] == [SAME, SAME, SAME]
    assert first_parting(verdicts) is None


def test_the_first_stage_that_parts_is_named_not_those_that_follow() -> None:
    resize = replace(LOCK["resize"], outs={"images": "9"})
    train = replace(LOCK["train"], deps=LOCK["train"].deps | {"images": "9"}, outs={"model": "8"})
    verdicts = compare(LOCK, {"resize": resize, "train": train, "report": LOCK["report"]})
    parting = first_parting(verdicts)
    assert parting is not None
    assert (parting.stage, parting.status, parting.outputs) == ("resize", DIFFERENT, ["images"])
    assert "nothing that is recorded differs" in explanation(parting, [])[0]
    assert explanation(parting, ["package numpy: 1 → 2"]) == ["package numpy: 1 → 2"]
    assert verdicts[1].inputs == ["images"]
    assert "resize  different" in table(verdicts)


@pytest.mark.parametrize(("outs", "status"), [({"model": "3"}, STALE), ({"model": "8"}, DIFFERENT)])
def test_another_parameter_is_named(outs: dict[str, str], status: str) -> None:
    train = replace(LOCK["train"], params={"seed": 1}, outs=outs)
    verdicts = compare(LOCK, LOCK | {"train": train}, tolerated=["train"])
    parting = first_parting(verdicts)
    assert parting is not None
    assert (parting.stage, parting.status) == ("train", status)
    assert parting.changes == ["parameter seed: 0 → 1"]


def test_tolerance_covers_bytes_of_the_named_stages_alone() -> None:
    other = {name: replace(stage, outs={"x": "0"}) for name, stage in LOCK.items()}
    assert statuses(other, ("train",)) == {
        "resize": DIFFERENT,
        "train": WITHIN,
        "report": DIFFERENT,
    }


def test_a_stage_that_did_not_run_is_no_success() -> None:
    found = statuses({"resize": LOCK["resize"]})
    assert found == {"resize": SAME, "train": MISSING, "report": MISSING}


def test_a_stage_is_compared_with_all_it_depends_on() -> None:
    assert set(needed_for(LOCK, "train")) == {"train", "resize"}


def test_metrics_have_bounds_and_a_missing_one_is_out_of_them() -> None:
    bounds = read_tolerances()["metrics"]
    then = dict.fromkeys(bounds, 0.5)
    near = {name: 0.5 + 0.9 * bound for name, bound in bounds.items()}
    far = {name: 0.5 - 1.1 * bound for name, bound in bounds.items()}
    assert all(metric.within() for metric in metrics_apart(then, near))
    assert not any(metric.within() for metric in metrics_apart(then, far))
    assert not any(metric.within() for metric in metrics_apart(then, {}))


def test_differences_of_two_machines_are_named_packages_first() -> None:
    then = {"packages": {"numpy": "2.4.6", "pillow": "13"}, "cuda": "none", "cores": 2}
    now = {"packages": {"numpy": "2.5.0", "pillow": "13"}, "cuda": "NVIDIA H200", "cores": 2}
    assert differences(then, now) == ["package numpy: 2.4.6 → 2.5.0", "cuda: none → NVIDIA H200"]
    assert differences(then, then) == []
