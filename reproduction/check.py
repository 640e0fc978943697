"""`make reproduce`: run the committed pipeline from nothing and compare with its record."""

import json
import shutil
import tempfile
from pathlib import Path

from harmonic.errors import InputError
from reproduction.compare import (
    compare,
    explanation,
    first_parting,
    needed_for,
    table,
)
from reproduction.environment import RECORD, describe, differences
from reproduction.fresh import clone_head, run, run_pipeline, unlisted_reads
from reproduction.lock import LOCK, Recorded, committed, parse_lock
from reproduction.tolerance import Apart, metrics_apart, read_tolerances
from stages.harness.exact import is_exact
from stages.harness.params import load_params

METRICS = "reports/metrics.json"
EVALUATE = "evaluate"


def check(root: Path, last: str | None = None) -> int:
    """Print a table, stage by stage; 0 where everything is as recorded, 1 where anything is not.

    With `last` the pipeline is run and compared up to that stage alone. The clone is removed where
    all is well and kept, to be looked at, where it is not.
    """
    if run(["git", "status", "--porcelain", "--untracked-files=no"], root):
        print("reproduce: files here differ from the last commit; the commit is what is checked")
    if last is not None and last not in parse_lock(committed(root, LOCK)):
        raise InputError(f"{last} is no stage of dvc.lock")
    place = Path(tempfile.mkdtemp(prefix="reproduction-"))
    clone = place / "clone"
    clone_head(root, clone)
    status = run_pipeline(clone, last)
    if status:
        print(f"reproduce: dvc repro ended with status {status}")
    well = judge(root, clone, last) and status == 0
    if well:
        shutil.rmtree(place)
    else:
        print(f"reproduce: the clone is kept in {clone}")
    return 0 if well else 1


def judge(root: Path, clone: Path, last: str | None = None) -> bool:
    """Compare what was made in `clone` with what HEAD of `root` records; print what was found."""
    then = parse_lock(committed(root, LOCK))
    if last is not None:
        then = needed_for(then, last)
    now = read_lock(clone)
    exact = is_exact(load_params(clone / "params.yaml"))
    apart = [] if exact else compared_metrics(root, clone)
    within = bool(apart) and all(metric.within() for metric in apart)
    verdicts = compare(then, now, tolerated=read_tolerances().stages if within else ())
    print(f"\n{table(verdicts)}")
    for metric in apart:
        print(f"  {'' if metric.within() else 'beyond tolerance: '}{metric}")
    parting = first_parting(verdicts)
    untrue = untrue_figures(root, clone) if exact and EVALUATE in then else []
    for line in untrue:
        print(f"reproduce: {METRICS} says {line}")
    if parting is None and untrue:
        return False
    if parting is None:
        mode = "to the byte" if exact else "data to the byte, metrics within tolerance"
        print(f"reproduce: the commit makes what dvc.lock says: {mode}")
        return True
    print(f"reproduce: the first stage that parts is {parting.stage} ({parting.status}):")
    recorded = json.loads(committed(root, RECORD))
    reads = unlisted_reads(clone, parting.stage)
    for line in explanation(parting, differences(recorded, describe(clone)), reads):
        print(f"  {line}")
    return False


def untrue_figures(root: Path, clone: Path) -> list[str]:
    """Committed figures that are not those that were made, to the last digit."""
    then = json.loads(committed(root, METRICS))
    now = json.loads((clone / METRICS).read_text(encoding="utf-8"))
    return [
        f"{name} {then.get(name, 'is not there')}; made was {now.get(name, 'none')}"
        for name in sorted({**then, **now})
        if then.get(name) != now.get(name)
    ]


def read_lock(folder: Path) -> dict[str, Recorded]:
    lock = folder / LOCK
    return parse_lock(lock.read_text(encoding="utf-8")) if lock.is_file() else {}


def compared_metrics(root: Path, clone: Path) -> list[Apart]:
    made = clone / METRICS
    now = json.loads(made.read_text(encoding="utf-8")) if made.is_file() else {}
    return metrics_apart(json.loads(committed(root, METRICS)), now, read_tolerances())
