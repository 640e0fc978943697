"""Are data the bytes that dvc.lock records, of these parameters? DVC itself believes its cache.

DVC makes the entries of its cache read-only and reads none of them again, so an entry that was
overwritten all the same (root is not held back) comes back from `dvc checkout` and `dvc repro` as
if it were sound. And `dvc repro --single-item` runs a stage on what other parameters made.
"""

import hashlib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harmonic.errors import InputError
from stages.harness.params import Params
from stages.harness.pipeline import Recorded, read_lock


def refuse_other_bytes(inputs: Iterable[Path]) -> None:
    """InputError naming the first input that is not what dvc.lock records as a stage's output."""
    recorded = recorded_outs(read_lock())
    for path in inputs:
        stage, digest = recorded.get(path.as_posix(), ("", None))
        if digest and content_digest(path) != digest:
            from dvc.repo import Repo  # slow to import, and needed here alone

            with Repo() as repo:
                damaged = list(damaged_entries(Path(repo.cache.local.path), digest))
            where = ", as its copy in DVC's cache is damaged" if damaged else ""
            words = shlex.join(map(str, [*damaged, path]))
            raise InputError(
                f"{path} is not what dvc.lock records{where}; rm -rf {words}; dvc repro {stage}"
            )


def refuse_other_params(inputs: Iterable[Path], params: Params) -> None:
    """InputError where an input was made with other parameters than there are now."""
    lock = read_lock()
    for path in inputs:
        name, _ = recorded_outs(lock).get(path.as_posix(), ("", ""))
        for key, then in lock[name].params.items() if name else ():
            if found := other_value(key, then, params.value_of(key)):
                raise InputError(f"{path}: {found}; `dvc repro {name}` makes it anew")


def other_value(key: str, then: Any, now: Any) -> str:
    """What of a parameter, or a section of them, is not as it was; "" for nothing."""
    if isinstance(then, dict) and isinstance(now, dict):
        inside = (other_value(f"{key}.{one}", then.get(one), now.get(one)) for one in now | then)
        return next(filter(None, inside), "")
    return "" if then == now else f"was made with {key}: {then}, params.yaml says {now}"


def recorded_outs(lock: Mapping[str, Recorded]) -> dict[str, tuple[str, str]]:
    """Of every output in a dvc.lock: the stage that makes it, and its MD5."""
    return {
        path: (name, digest) for name, stage in lock.items() for path, digest in stage.outs.items()
    }


def content_digest(path: Path) -> str:
    """The MD5 that DVC gives a file, or a folder: that of a list of its files, and `.dir`.

    Compiled bytecode is passed over (.dvcignore). "absent" where nothing is there.
    """
    if path.is_file():
        return file_md5(path)
    if not path.is_dir():
        return "absent"
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file()}
    listing = [
        {"md5": file_md5(files[name]), "relpath": name}
        for name in sorted(files)
        if files[name].suffix != ".pyc"
    ]
    text = json.dumps(listing, sort_keys=True)
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest() + ".dir"


def file_md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def damaged_entries(cache: Path, digest: str) -> Iterator[Path]:
    """Entries of a cache whose bytes are not those of their name; those not there are no fault."""
    place = cache / digest[:2] / digest[2:]
    if not place.is_file():
        return
    if file_md5(place) != digest.removesuffix(".dir"):
        yield place
    elif digest.endswith(".dir"):
        members = json.loads(place.read_text(encoding="utf-8"))
        for member in sorted({member["md5"] for member in members}):
            yield from damaged_entries(cache, member)
