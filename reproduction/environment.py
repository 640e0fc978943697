"""On what a dvc.lock was made: packages, Python, processor, threads, CUDA.

environment.json stands beside this file and describes the machine on which the committed dvc.lock
was made. Nothing is computed from it: it is there to name what differs where results do.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
from pathlib import Path
from typing import Any

from harmonic.errors import InputError
from harmonic.files import write_text
from reproduction.imports import shared_code
from reproduction.lock import LOCK

RECORD = "reproduction/environment.json"
REQUIREMENTS = ("requirements.txt", "constraints.txt")
VECTORS = ("sse4_2", "avx", "fma", "avx2", "avx512f")
"""Instruction sets that decide how libraries order a sum, narrow to wide."""

Environment = dict[str, Any]


def pins(root: Path) -> dict[str, str]:
    """The version of every package that the requirements pin.

    Raises InputError naming a line that pins nothing, or a package that is pinned twice.
    """
    found: dict[str, str] = {}
    for file in REQUIREMENTS:
        for line in (root / file).read_text(encoding="utf-8").splitlines():
            text = line.split("#")[0].strip()
            if not text or text.startswith("-"):
                continue
            name, equals, version = text.partition("==")
            if not equals:
                raise InputError(f"{file}: {text} is not pinned; write {text}==VERSION")
            if found.setdefault(canonical(name), version) != version:
                earlier = found[canonical(name)]
                raise InputError(f"{file}: {text}, but {REQUIREMENTS[0]} pins {earlier}")
    return found


def canonical(name: str) -> str:
    return name.strip().lower().replace("_", "-")


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
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    facts = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    flags = facts.get("flags", "").split()
    return {
        "processor": facts.get("model name") or platform.processor() or "unknown",
        "vectors": " ".join(name for name in VECTORS if name in flags) or "unknown",
    }


def cuda() -> str:
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"


def lock_digest(root: Path) -> str:
    return hashlib.md5((root / LOCK).read_bytes(), usedforsecurity=False).hexdigest()


def code_digests(root: Path) -> dict[str, str]:
    """16 hex digits of the SHA-256 of each file that all stages share, by its path."""
    return {
        file: hashlib.sha256((root / file).read_bytes()).hexdigest()[:16]
        for file in sorted(shared_code(root))
    }


def write_record(root: Path) -> None:
    """Describe this machine as the one on which the present dvc.lock was made."""
    record = {"dvc.lock": lock_digest(root), "code": code_digests(root), **describe(root)}
    text = json.dumps(record, indent=2, sort_keys=True) + "\n"
    write_text(root / RECORD, text)


def differences(then: Environment, now: Environment) -> list[str]:
    """What differs between two environments, packages first; a line each."""
    lines = []
    before, after = then.get("packages", {}), now.get("packages", {})
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            lines.append(f"package {name}: {before.get(name, 'none')} → {after.get(name, 'none')}")
    facts = ("python", "system", "processor", "vectors", "cores", "threads", "pythonpath", "cuda")
    for name in facts:
        if then.get(name) != now.get(name):
            lines.append(f"{name}: {then.get(name)} → {now.get(name)}")
    return lines
