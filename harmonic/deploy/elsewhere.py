"""Networks held against an archive that their pipeline never saw, in any layout of the sources."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.classes import CLASSES
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.data.metadata import COLUMNS, checked_metadata, parse_table
from harmonic.data.sources.archive import METADATA, import_archives
from harmonic.deploy.predictor import Predictor
from harmonic.errors import InputError
from harmonic.evaluation.answers import Answers, check_columns
from harmonic.evaluation.bootstrap import natural_of
from harmonic.evaluation.pooling import truth_table
from harmonic.evaluation.predictions import HEADER, predictions_table
from harmonic.evaluation.rules import decision_rules
from harmonic.evaluation.run_folder import write_run
from harmonic.evaluation.scores import Scores
from harmonic.images.decode import read_rgb
from harmonic.images.parallel import in_processes
from harmonic.images.prepare import prepared
from harmonic.model_file.description import Description, calibration_of

BATCH = 256
"""Images that a network answers at once: as many as in the pipeline."""
NEEDED = ("image_id", "lesion_id", "dx")

Way = tuple[str, int, str]
"""How a network wants its images: hair_method, size, aspect."""


@dataclass(frozen=True)
class Elsewhere:
    """The images of an archive that can be answered and judged."""

    metadata: pd.DataFrame
    """COLUMNS, a row for each image, sorted by image_id; "" in columns that the archive lacks."""
    folder: Path
    """Holds <image_id>.jpg of each row."""
    left_out: list[str]
    """What of the archive is not among them, a line each."""

    @property
    def missing(self) -> list[str]:
        """The classes without an image."""
        return [name for name in CLASSES if name not in set(self.metadata.dx)]


def read_elsewhere(archive: Path, scratch: Path) -> Elsewhere:
    """Unpack an archive to the empty folder `scratch`, and tell what of it can be used.

    Left out are rows of other diagnoses than CLASSES and rows without an image. Raises InputError
    as the source does, for a row that `checked_metadata` refuses, and where nothing is left.
    """
    import_archives([archive], scratch)
    name, folder = f"{archive}: {METADATA}", scratch / "images"
    table = parse_table((scratch / METADATA).read_bytes(), name, NEEDED[:2])
    check_columns(table, NEEDED, name)
    known = table.dx.isin(CLASSES)
    if (other := table.dx[~known & table.dx.str.lower().isin(CLASSES)]).size:
        raise InputError(f"{name}: dx is {other.iloc[0]!r}; write {other.iloc[0].lower()!r}")
    left_out = [
        f"rows with dx {dx!r}, no class of the network: {count}"
        for dx, count in table.dx[~known].value_counts().items()
    ]
    there = table.image_id.map(lambda one: (folder / f"{one}.jpg").is_file())
    if gone := int((known & ~there).sum()):
        first = table.image_id[known & ~there].iloc[0]
        left_out.append(f"rows without an image, such as {first!r}: {gone}")
    table = table[known & there].reindex(columns=list(COLUMNS), fill_value="")
    if table.empty:
        raise InputError(f"{name}: no image of {', '.join(CLASSES)}; {'; '.join(left_out)}")
    return Elsewhere(checked_metadata(table, name), folder, left_out)


def answers_elsewhere(predictors: Sequence[Predictor], data: Elsewhere) -> Answers:
    """The answers for all images, of several networks the means of their probabilities.

    An image is prepared as each network's pipeline does. Raises InputError for one that cannot be
    decoded, naming it.
    """
    descriptions = [one.description for one in predictors]
    wanted: list[Way] = [(one.hair_method, one.image_size, one.aspect) for one in descriptions]
    ways = list(dict.fromkeys(wanted))
    image_ids = data.metadata.image_id.to_numpy(dtype=str)
    arguments = [(data.folder / f"{image_id}.jpg", ways) for image_id in image_ids]
    rules: list[NDArray[np.float64]] = []
    batch: list[list[NDArray[np.uint8]]] = []
    for done, images in enumerate(in_processes(images_for, arguments, name="evaluate"), start=1):
        batch.append(images)
        if len(batch) == BATCH or done == len(arguments):
            stacked = dict(zip(ways, map(np.stack, zip(*batch, strict=True)), strict=True))
            found = [
                decision_rules(predictor.logits(stacked[way]), **predictor.description.rule())
                for predictor, way in zip(predictors, wanted, strict=True)
            ]
            rules.append(np.mean(found, axis=0))
            batch = []
    balanced, natural = np.concatenate(rules, axis=1)
    alone = descriptions[0].rule() if len(descriptions) == 1 else {}
    return Answers(
        labels=data.metadata.dx.map(CLASSES.index).to_numpy(dtype=np.int64),
        lesions=lesion_groups(image_ids.tolist(), data.metadata.lesion_id, known_pairs()),
        balanced=balanced,
        natural=natural,
        image_ids=image_ids,
        class_counts=tuple(alone["class_counts"]) if alone else None,
        prior_exponent=alone.get("prior_exponent", 1.0),
    )


def images_for(path: Path, ways: Sequence[Way]) -> list[NDArray[np.uint8]]:
    """One photograph, prepared in each way."""
    try:
        image = read_rgb(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), path.stem)) from None
    return [
        prepared(image, hair_method=method, size=size, aspect=aspect)
        for method, size, aspect in ways
    ]


def settings_of(descriptions: Sequence[Description]) -> dict[str, Any]:
    """What the networks' files say, as params.yaml has it, and how many networks they are."""
    each = [
        {
            "model": "harmonic" if one.conv == "harmonic" else "cnn",
            "image_size": one.image_size,
            "remove_hair": {"method": one.hair_method},
            "resize": {"aspect": one.aspect},
            "train": {"network": one.network, "imbalance": one.imbalance, **one.options},
            "evaluate": {"views": calibration_of(one, "").views},
        }
        for one in descriptions
    ]
    seeds = {one.provenance.get("seed", 0) for one in descriptions}
    seed = seeds.pop() if len(seeds) == 1 else 0
    return {"seed": seed, **merged(each), "networks": len(each)}


def merged(values: Sequence[Any]) -> Any:
    """Trees of settings as one: values that differ are named one after the other."""
    if all(isinstance(one, dict) for one in values):
        keys = dict.fromkeys(key for one in values for key in one)
        return {key: merged([one.get(key) for one in values]) for key in keys}
    return values[0] if all(one == values[0] for one in values) else ", ".join(map(str, values))


def write_elsewhere(
    folder: Path, data: Elsewhere, answers: Answers, scores: Scores, predictors: Sequence[Predictor]
) -> None:
    """A run's folder, with the tables and predictions that the stage `evaluate` writes."""
    ids, descriptions = answers.image_ids.tolist(), [one.description for one in predictors]
    truth = truth_table(answers).assign(lesion_id=data.metadata.lesion_id.to_numpy())
    rules = {"predictions": answers.balanced, "predictions_natural": natural_of(answers)}
    write_run(
        folder,
        params=settings_of(descriptions),
        record={
            "class_counts": None if answers.class_counts is None else list(answers.class_counts),
            "models": [one.sha256 for one in descriptions],
            "left_out": data.left_out,
            "classes_without_images": data.missing,
        },
        figures=scores.figures,
        answers=pd.DataFrame(answers.balanced, columns=list(HEADER[1:])).assign(image=ids)[
            [*HEADER]
        ],
        others={
            "data/split.csv": as_csv(truth),
            **{f"{name}.csv": predictions_table(ids, one, name) for name, one in rules.items()},
            **{f"{name}.csv": as_csv(table) for name, table in scores.tables.items()},
        },
    )


def as_csv(table: pd.DataFrame) -> str:
    text: str = table.to_csv(index=False, lineterminator="\n")
    return text
