"""`make gate`: dvc.lock agrees with dvc.yaml, parameters, code, pins and cache; nothing is run.

`dvc repro --allow-missing --dry` looks made for this, but ends with status 0 where a stage would
run, and with an error about missing data where that stage's inputs are not there. `dvc status`
names the files.
"""

import json
import shlex
import sys
from collections.abc import Iterator, Set
from pathlib import Path
from typing import Any

from harmonic.errors import InputError
from reproduction.bytecode import stale_bytecode
from reproduction.check import dvc_environment, run
from reproduction.compare import changed
from reproduction.environment import RECORD, code_digests, pins, requirements
from reproduction.imports import imported_files, shared_code
from stages.harness.params import load_params
from stages.harness.pipeline import LOCK, dependencies, outputs, parse_lock, read_pipeline
from stages.harness.recorded import damaged_entries, file_md5, recorded_outs
from stages.harness.shadows import strangers

LEADS = ("-c constraints.txt", "-r requirements.txt")
NOT_HERE = ("deleted", "not in cache")
"""What `dvc status` says of data that a clone without them cannot have."""


def gate(root: Path) -> int:
    """Print a line for everything that does not agree; 0 where nothing is found, else 1."""
    problems = [
        *code_that_no_stage_lists(root),
        *paths_that_are_no_output(root),
        *records_of_another_pipeline(root),
        *records_that_contradict(root),
        *stages_that_would_run(root),
        *damaged_cache(root),
        *requirements_without_pin(root),
        *environment_of_another_lock(root),
    ]
    for problem in problems:
        print(f"gate: {problem}", file=sys.stderr)
    if not problems:
        print("gate: dvc.lock agrees with dvc.yaml, parameters, code, pinned packages and cache")
    return 1 if problems else 0


def text_of(root: Path, path: str | Path) -> str:
    if not (root / path).is_file():
        raise InputError(f"{path} is not there; run make run, then make record")
    return (root / path).read_text(encoding="utf-8")


def code_that_no_stage_lists(root: Path) -> Iterator[str]:
    """What can be imported from the top folder by mistake, and imports that dvc.yaml lacks."""
    if found := [*strangers(root), *stale_bytecode(root)]:
        yield from found
        return
    shared = shared_code(root)
    for name, stage in read_pipeline(root).items():
        for file in sorted(imported_files(root, f"stages/{name}.py") - shared):
            if not any(Path(file).is_relative_to(dep) for dep in stage.get("deps", [])):
                yield f"{name}: imports {file}; put it among the deps in dvc.yaml"


def paths_that_are_no_output(root: Path) -> Iterator[str]:
    """Dependencies that are neither in git nor another stage's output to the letter."""
    pipeline = read_pipeline(root)
    made = {path for stage in pipeline.values() for path in outputs(stage)}
    for name, stage in pipeline.items():
        for dep in stage.get("deps", []):
            if dep not in made and "${" not in dep and not in_git(root, dep):
                yield f"{name}: depends on {dep}, which is no stage's output and not in git"


def in_git(root: Path, path: str) -> bool:
    return bool(run(["git", "ls-files", "--", path], root))


def records_that_contradict(root: Path) -> Iterator[str]:
    """Stages that dvc.lock lacks, or that it records with another stage's earlier output."""
    lock, pipeline = parse_lock(text_of(root, LOCK)), read_pipeline(root)
    for name in pipeline.keys() ^ lock.keys():
        where = LOCK if name in pipeline else "dvc.yaml"
        yield f"{name}: is not in {where}; run dvc repro"
    made = recorded_outs(lock)
    for name, stage in lock.items():
        for path, digest in stage.deps.items():
            if path in made and made[path][1] != digest:
                yield f"{name}: was run with another {path} than dvc.lock records; run dvc repro"


def records_of_another_pipeline(root: Path) -> Iterator[str]:
    """Stages that dvc.yaml describes with other paths or parameters than dvc.lock records.

    `dvc status` says nothing of a dependency that was taken off the list, or of a frozen stage.
    """
    lock, archive = parse_lock(text_of(root, LOCK)), load_params(root / "params.yaml").archive
    for name, stage in read_pipeline(root).items():
        if stage.get("frozen"):
            yield f"{name}: is frozen, so DVC never runs it; take `frozen` out of dvc.yaml"
        if name not in lock:
            continue
        pairs: dict[str, tuple[Set[str], Set[str]]] = {
            "dependencies": (dependencies(stage, archive), lock[name].deps.keys()),
            "parameters": (set(stage.get("params", [])), lock[name].params.keys()),
            "outputs": (set(outputs(stage)), lock[name].outs.keys()),
        }
        for what, (listed, recorded) in pairs.items():
            for path in sorted(listed ^ recorded):
                old = path in recorded
                where = "dvc.lock, not in dvc.yaml" if old else "dvc.yaml, not in dvc.lock"
                yield f"{name}: {path} is among the {what} of {where}; run dvc repro"


def requirements_without_pin(root: Path) -> Iterator[str]:
    """Lines of the requirements files that leave a version open, or lead to another file."""
    for file in ("requirements.txt", "requirements-dev.txt"):
        for line in requirements(root, file):
            if line not in LEADS and "==" not in line:
                yield f"{file}: {line} has no version; pin it with =="


def stages_that_would_run(root: Path) -> Iterator[str]:
    """What `dvc status` finds changed, but for data that are not here."""
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    for name, findings in json.loads(run(command, root, env=dvc_environment())).items():
        for finding in findings:
            yield from (f"{name}: {line}; run dvc repro" for line in changes(root, finding))


def damaged_cache(root: Path) -> Iterator[str]:
    """Outputs whose entries in DVC's cache are there, but are not what their names say."""
    from dvc.repo import Repo  # slow to import

    with Repo(str(root)) as repo:
        cache = Path(repo.cache.local.path)
    for path, (stage, digest) in recorded_outs(parse_lock(text_of(root, LOCK))).items():
        for entry in damaged_entries(cache, digest):
            mend = f"rm -rf {shlex.join([str(entry), path])}; dvc repro {stage}"
            yield f"{stage}: the cache's copy of {path} is damaged; {mend}"


def changes(root: Path, finding: str | dict[str, dict[str, Any]]) -> Iterator[str]:
    """One finding of `dvc status`, a line for each thing that changed."""
    if isinstance(finding, str):
        yield finding
        return
    for paths in finding.values():
        for path, what in paths.items():
            if isinstance(what, dict):
                yield from (f"parameter {key} is {change}" for key, change in what.items())
            elif what not in NOT_HERE or in_git(root, path):
                yield f"{path} is {what}"


def environment_of_another_lock(root: Path) -> Iterator[str]:
    """Whether environment.json is of this dvc.lock, these packages, and this code of all stages."""
    record = json.loads(text_of(root, RECORD))
    for file in changed(record.get("code", {}), code_digests(root)):
        yield f"{file}, which all stages share, changed: make reproduce, then make record"
    if record["dvc.lock"] != file_md5(root / LOCK):
        yield f"{RECORD} describes another dvc.lock; run make record where dvc.lock was made"
    for name, version in pins(root).items():
        if (used := record["packages"].get(name)) != version:
            yield f"package {name} is pinned to {version}; dvc.lock was made with {used}"
