"""Where finished runs lie: the folder of one, a tree of such folders, a workspace of DVC, or a
revision of it; and how the files there are read."""

import fnmatch
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harmonic.errors import InputError
from harmonic.evaluation.run_files import Read, json_object, whole_number
from harmonic.reading import content_of

if TYPE_CHECKING:
    from dvc.api import DVCFileSystem


def places(names: Sequence[str]) -> list[tuple[str, Mapping[str, Any]]]:
    """The folders and revisions that the names of `read_runs` stand for, in the order of its runs.

    With what run.json says of each, where it has one: enough to choose among many at once.
    """
    found: list[tuple[str, Mapping[str, Any]]] = []
    for name in names:
        path = Path(name)
        if path.is_file():
            raise InputError(f"run {name}: is a file; name the folder of a run, or one of runs")
        folders = tree(path) if path.is_dir() else []
        records = [(str(one), record_of(folder_reader(one), str(one))) for one in folders]
        found += sorted(records, key=lambda one: in_order(*one)) or [(name, {})]
    return found


def in_order(place: str, record: Mapping[str, Any]) -> tuple[str, str, int, int]:
    """What the runs of a tree are sorted by."""
    seed, fold = (
        -1 if record.get(key) is None else whole_number(record[key], f"run {place}: {key}")
        for key in ("seed", "fold")
    )
    return str(record.get("study", "")), str(record.get("arm", "")), seed, fold


def matching(name: str) -> list[str]:
    """The folders, else the DVC experiments, that a pattern matches; any other name is itself."""
    if not set("*?[") & set(name) or Path(name).exists():
        return [name]
    if folders := [str(one) for one in sorted(Path().glob(name)) if one.is_dir()]:
        return folders
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        with Repo.open(".") as repository:
            known = repository.experiments.ls(all_commits=True).values()
    except DvcException:  # no repository of DVC, so no experiments
        known = []
    experiments = sorted({one for named in known for one, _ in named})
    if found := fnmatch.filter(experiments, name):
        return found
    there = ", ".join(experiments) or "none"
    raise InputError(f"run {name!r}: no folder or experiment matches; experiments are: {there}")


def tree(path: Path) -> list[Path]:
    """The folder itself where it is that of a run, else all such folders below it."""
    if any((path / one).is_file() for one in ("run.json", "metrics.json", "reports/metrics.json")):
        return [path]
    folders = sorted(
        one.parent
        for one in path.rglob("run.json")  # unfinished folders begin with a dot
        if not any(part.startswith(".") for part in one.relative_to(path).parts)
    )
    if not folders:
        raise InputError(f"run {path}: reports/metrics.json is not there, nor any run below it")
    return folders


def folder_reader(folder: Path) -> Read:
    def read(name: str) -> bytes | None:
        for place in (folder / name, folder / Path(name).name):
            if place.is_file():
                return content_of(place)
        return None

    return read


def record_of(read: Read, name: str) -> dict[str, Any]:
    return json_object(read("run.json"), f"run {name}: run.json")


@cache  # to open a revision costs more than all that is read of it
def files_at(name: str, project: Path) -> "DVCFileSystem":
    """What is in a DVC experiment or git revision of a project; outputs come from DVC's cache."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from scmrepo.exceptions import SCMError

    try:
        files = DVCFileSystem(str(project), rev=name)
        files.ls("/")  # the revision is looked up on first use
    except (DvcException, SCMError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"run {name!r}: no folder or revision ({reason})") from None
    return files
