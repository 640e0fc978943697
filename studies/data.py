"""The images and the split that the runs of a study share, made by the pipeline's own stages.

The commands are those of dvc.yaml, to the letter, run without DVC in folders of their own, once for
each set of parameters that they depend on:

    images-<digest>/   download, verify, remove_hair, resize
    split-<digest>/    split
"""

import hashlib
import io
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from ruamel.yaml import YAML

from harmonic.data.arrays import LabelledImages, data_digest, read_labelled_images
from harmonic.data.classes import CLASSES
from harmonic.errors import InputError
from harmonic.evaluation.predictions import HEADER
from harmonic.files import write_text
from harmonic.learning.batches import predict_logits
from harmonic.learning.fit import Fitted
from stages.harness.params import checked_params
from stages.harness.partial import claimed
from stages.harness.pipeline import read_pipeline
from stages.harness.recorded import content_digest

REPOSITORY = Path(__file__).resolve().parents[1]
CODE = ["harmonic", "stages", "studies", "params.yaml", "dvc.yaml"]
"""What a run depends on; it has to be committed."""
IMAGE_STAGES = ("download", "verify", "remove_hair", "resize")
SPLIT_STAGES = ("split",)

Tree = dict[str, Any]
"""What a params.yaml holds."""
Rows = Mapping[str, NDArray[np.int64]]
"""Row numbers of images, by the name of their set."""


@dataclass(frozen=True)
class Images:
    """Images that runs share."""

    place: Path
    """The folder of images.npy, index.csv and split.csv."""
    digest: str

    def read(self) -> LabelledImages:
        return read_labelled_images(self.place / "images.npy", self.place / "split.csv")

    def divided(self, name: str, sets: NDArray[np.str_]) -> "Images":
        """The same, with the digest of a study's own `sets`, kept in `<name>.csv` beside them."""
        data, table = self.read(), self.place / f"{name}.csv"
        columns = {"image_id": data.image_ids, "lesion_id": data.groups}
        split = pd.DataFrame({**columns, "dx": np.array(CLASSES)[data.labels], "split": sets})
        write_text(table, split.to_csv(index=False, lineterminator="\n"))
        return Images(self.place, data_digest(self.place / "images.npy", table))


def images_of(work: Path, params: Tree) -> Images:
    """Images and split for these parameters, made where they are not there yet."""
    images = work / f"images-{digest_of(params, IMAGE_STAGES)}"
    split = work / f"split-{digest_of(params, (*IMAGE_STAGES, *SPLIT_STAGES))}"
    with claimed(images, wait=True):
        if not (images / "data/images.npy").exists():
            run_stages(images, params, IMAGE_STAGES)
    with claimed(split, wait=True):
        if not (split / "data/split.csv").exists():
            link(split / "data/index.csv", images / "data/index.csv")
            link(split / "data/images.npy", images / "data/images.npy")
            run_stages(split, params, SPLIT_STAGES)
    place = split / "data"
    return Images(place, data_digest(place / "images.npy", place / "split.csv"))


def in_sets(data: LabelledImages, rows: Rows) -> LabelledImages:
    """The images of some rows in each set; an image that is in two sets comes twice."""
    chosen = np.concatenate(list(rows.values()))
    sets = np.repeat(list(rows), [len(some) for some in rows.values()])
    fields = {name: values[chosen] for name, values in vars(data).items()}
    return LabelledImages(**fields | {"sets": sets})


def overridden(overrides: dict[str, Any]) -> Tree:
    """The tree of params.yaml, changed by dotted key; InputError for what it does not allow."""
    params: Tree = YAML(typ="safe", pure=True).load(REPOSITORY / "params.yaml")
    for key, value in overrides.items():
        *sections, last = key.split(".")
        place = params
        for section in sections:
            place = place.get(section, {})
        if last not in place:
            raise InputError(f"{key} is no key of params.yaml")
        place[last] = value
    checked_params(params, "studies")
    return params


def leaves(params: Tree, section: str = "") -> dict[str, Any]:
    """Every value by its dotted key."""
    found: dict[str, Any] = {}
    for key, value in params.items():
        inside = isinstance(value, dict)
        found |= leaves(value, f"{section}{key}.") if inside else {f"{section}{key}": value}
    return found


def digest_of(params: Tree, stages: Sequence[str]) -> str:
    """12 hex digits over all that dvc.yaml lists for these stages: parameters, code, archive."""
    listed = [read_pipeline(REPOSITORY)[stage] for stage in stages]
    keys = {key for stage in listed for key in stage.get("params", [])}
    deps = {dep for stage in listed for dep in stage["deps"]}
    code = sorted(dep for dep in deps if dep.startswith(("harmonic/", "stages/")))
    checked, archive = checked_params(params, "studies"), Path(params["archive"])
    found = archive.stat()
    record = {
        "params": [[key, checked.value_of(key)] for key in sorted(keys)],
        "code": [[dep, content_digest(REPOSITORY / dep)] for dep in code],
        "archive": file_digest(archive, found.st_size, found.st_mtime_ns)
        if archive.is_file()
        else content_digest(archive),
    }
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:12]


@cache
def file_digest(path: Path, size: int, changed_at: int) -> str:
    """Worked out once for a file that has not changed since."""
    return content_digest(path)


@cache
def code_digest() -> str:
    """Of CODE as it lies there, whatever commit is said to be."""
    digests = [content_digest(REPOSITORY / name) for name in CODE]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()[:12]


def run_stages(folder: Path, params: Tree, stages: Iterable[str]) -> None:
    """Run stages in a folder laid out like the repository; InputError with the last line of one."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("harmonic", "stages", "dvc.yaml"):
        link(folder / name, REPOSITORY / name)
    text = io.StringIO()
    YAML(typ="safe", pure=True).dump(params, text)
    write_text(folder / "params.yaml", text.getvalue())
    for stage in stages:
        program, *arguments = shlex.split(read_pipeline(REPOSITORY)[stage]["cmd"])
        program = sys.executable if program == "python" else program
        done = subprocess.run(
            [program, *arguments],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=os.environ | {"DVC_STAGE": stage},  # so a stage ends with whoever started it
        )
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
            raise InputError(f"{' '.join(last) or stage} (in {folder}, status {done.returncode})")


def logits_of(fitted: Fitted, images: NDArray[np.uint8], views: int = 1) -> NDArray[np.float64]:
    """The trained network's logits of uint8 images (N, H, W, 3)."""
    statistics, device = fitted.description.statistics(), fitted.processes.device
    return predict_logits(fitted.network, images, statistics, device, view_count=views)


def answers_table(test: LabelledImages, probabilities: NDArray[np.float64]) -> pd.DataFrame:
    """What answers.csv.gz holds: the image's id and the probability of each class."""
    table = pd.DataFrame(probabilities, columns=list(HEADER[1:]))
    table.insert(0, HEADER[0], test.image_ids)
    return table


def truth_table(images: LabelledImages) -> pd.DataFrame:
    """image, lesion_id (of the group) and dx."""
    names = np.array(CLASSES)[images.labels]
    return pd.DataFrame({"image": images.image_ids, "lesion_id": images.groups, "dx": names})


def link(place: Path, target: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.is_symlink() and place.readlink() != target.resolve():
        place.unlink()  # of another clone, whose code is another
    if not place.is_symlink():
        place.symlink_to(target.resolve())
