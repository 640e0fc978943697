"""On what a dvc.lock was made: packages, Python, processor, threads, CUDA.

environment.json says it of the committed dvc.lock, so that what differs can be named where results
do; nothing is computed from it.
"""

import importlib.metadata
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

from harmonic.errors import InputError
from harmonic.files import write_text
from reproduction.compare import changed
from reproduction.imports import shared_code
from stages.harness.pipeline import LOCK
from stages.harness.recorded import file_md5

RECORD = "reproduction/environment.json"
VECTORS = ("sse4_2", "avx", "fma", "avx2", "avx512f")
"""Instruction sets that decide how libraries order a sum, narrow to wide."""
NO_FACTS = ("packages", "code", "dvc.lock")
"""What else the record holds."""

Environment = dict[str, Any]


def pins(root: Path) -> dict[str, str]:
    """The version of every pinned package; InputError for what pins nothing, or twice."""
    found: dict[str, str] = {}
    for file in ("requirements.txt", "constraints.txt"):
        for line in requirements(root, file):
            if line.startswith("-"):
                continue
            name, equals, version = line.partition("==")
            if not equals:
                raise InputError(f"{file}: {line} is not pinned; write {line}==VERSION")
            earlier = found.setdefault(name.strip().lower().replace("_", "-"), version)
            if earlier != version:
                raise InputError(f"{file}: {line}, but requirements.txt pins {earlier}")
    return found


def requirements(root: Path, file: str) -> list[str]:
    """The lines of a requirements file without comments."""
    lines = (root / file).read_text(encoding="utf-8").splitlines()
    return [text for line in lines if (text := line.split("#")[0].strip())]


def describe(root: Path) -> Environment:
    """This machine, and the installed versions of the packages that the requirements pin."""
    return {
        "packages": {name: installed(name) for name in sorted(pins(root))},
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}, {' '.join(platform.libc_ver())}",
        **processor(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all cores"),
        "pythonpath": os.environ.get("PYTHONPATH", "none"),
        "cuda": cuda(),
    }


def installed(name: str) -> str:
    """The version that is installed, without a build's label: 2.13.0 for 2.13.0+cpu."""
    try:
        return importlib.metadata.version(name).split("+")[0]
    except importlib.metadata.PackageNotFoundError:
        return "none"


def processor() -> dict[str, str]:
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text(encoding="utf-8") if cpuinfo.is_file() else ""
    facts = dict(re.findall(r"^(model name|flags)\s*: (.*)$", text, re.MULTILINE))
    flags = facts.get("flags", "").split()
    return {
        "processor": facts.get("model name") or platform.processor() or "unknown",
        "vectors": " ".join(name for name in VECTORS if name in flags) or "unknown",
    }


def cuda() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"


def code_digests(root: Path) -> dict[str, str]:
    """The MD5 of each file that all stages share, by its path."""
    return {file: file_md5(root / file) for file in sorted(shared_code(root))}


def write_record(root: Path) -> int:
    """Describe this machine as the one on which the present dvc.lock was made."""
    record = {"dvc.lock": file_md5(root / LOCK), "code": code_digests(root), **describe(root)}
    write_text(root / RECORD, json.dumps(record, indent=2, sort_keys=True) + "\n")
    return 0


def differences(then: Environment, now: Environment) -> list[str]:
    """What differs between two environments, packages first; a line each."""
    before, after = (
        {f"package {name}": version for name, version in one.get("packages", {}).items()}
        | {name: fact for name, fact in one.items() if name not in NO_FACTS}
        for one in (then, now)
    )
    names = changed(before, after)
    return [f"{one}: {before.get(one, 'none')} → {after.get(one, 'none')}" for one in names]
