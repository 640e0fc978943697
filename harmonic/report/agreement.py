"""Whether the files of a run are of one run: files of two are easily mixed up, or edited.

What a file says is held against the same made again, from the answers, the network, the data or the
parameters: value by value, each under a name, by `differing`.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harmonic.data.arrays import LabelledImages
from harmonic.data.inspection import file_sha256
from harmonic.data.integrity import counts, digest_of_all
from harmonic.evaluation.answers import Answers
from harmonic.evaluation.contradictions import ends_of, moved_within
from harmonic.evaluation.metrics import metrics_of
from harmonic.evaluation.predictions import HEADER
from harmonic.evaluation.scores import Scores
from harmonic.images.resize import resize
from harmonic.learning.sweep import Sweep
from harmonic.report.contents import HairPair

ROUNDING = 1.01e-4
"""How far a figure, rounded to four digits, may lie from the one made again."""
RATE_ROUNDING = 1.01e-9
"""The same for learning rates, which have nine."""
DECODED_AGAIN = 1.0
"""How far an image may differ between decoders of JPEG: levels of 255, on average over pixels."""
MACHINES = 1e-3
"""How far a probability may differ between two machines that run the same network."""
SHOWN = 4
"""Lines about one file; how many more there are is said."""
KEYS = {
    "per_class": ["class"],
    "operating_points": ["target", "wanted_specificity"],
    "subgroups": ["column", "value"],
}
"""The columns that name the rows of each table."""

Values = Mapping[str, Any]


def differing(
    file: str,
    given: Values,
    made: Values,
    atol: float = 0.0,
    rtol: float = 0.0,
    source: str = "when made again",
) -> list[str]:
    """A line for each value of a file that is not the one made again; interval ends come last."""
    lines = []
    for name in sorted({**given, **made}, key=lambda name: name.endswith(("_low", "_high"))):
        if name not in given:
            lines.append(f"{name} is missing in {file}")
        elif name not in made:
            lines.append(f"{name} in {file} is nothing that this run has")
        elif not same(given[name], made[name], atol, rtol):
            old, new = (
                f"{one:.6g}" if isinstance(one, float) else one for one in (given[name], made[name])
            )
            lines.append(f"{name} is {old} in {file}, but {new} {source}")
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], f"{more} more values of {file}"] if more > 0 else lines


def same(old: Any, new: Any, atol: float, rtol: float) -> bool:
    if all(isinstance(one, int | float) for one in (old, new)):
        return bool(np.isclose(old, new, rtol=rtol, atol=atol, equal_nan=True))
    return bool(old == new) or str(old) == str(new)


def cells(table: pd.DataFrame, keys: Sequence[str]) -> dict[str, Any]:
    """Every value of a table, by its column and what its row is called in the columns `keys`."""
    return {"number of rows": len(table)} | {
        f"{column} of {', '.join(str(row.get(key)) for key in keys)}": value
        for row in table.to_dict("records")
        for column, value in row.items()
        if column not in keys
    }


def of_scores(
    metrics: Mapping[str, float], tables: Mapping[str, pd.DataFrame], made: Scores
) -> list[str]:
    """Figures and tables are those that `evaluate` makes of the answers."""
    lines = differing("metrics.json", metrics, made.figures, ROUNDING)
    for name, keys in KEYS.items():
        given, again = (cells(one[name], keys) for one in (tables, made.tables))
        lines += differing(f"{name}.csv", given, again, ROUNDING)
    return lines


def of_answers(
    file: str, answers: Answers, given: NDArray, made: NDArray, atol: float
) -> list[str]:
    """Probabilities (n, 7) of a file for the images of `answers` are those that were made again."""
    old, new = (
        {
            f"{name} of {image}": float(one)
            for image, row in zip(answers.image_ids, rows, strict=True)
            for name, one in zip(HEADER[1:], row, strict=True)
        }
        for rows in (given, made)
    )
    return differing(file, old, new, atol)


def of_history(
    history: pd.DataFrame,
    rates: Sequence[float],
    epoch: int | None,
    labels: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    loss: float,
) -> list[str]:
    """Epochs and rates are those of the schedule, and the scores of the best are the network's.

    Args:
        history: models/history.csv.
        rates: of the last step of each epoch, by the parameters.
        epoch: the one whose weights the model file holds; None where it does not say.
        labels, probabilities, loss: of the validation images (m,), and what the network gives: one
            view of each (m, 7), and the loss as training has it.
    """
    file = "history.csv"
    given = cells(history[["epoch", "lr"]].astype({"epoch": int}), ["epoch"])
    made = {f"lr of {number}": rate for number, rate in enumerate(rates, start=1)}
    lines = differing(file, given, {"number of rows": len(rates)} | made, RATE_ROUNDING)
    if lines or epoch is None:
        return lines
    best = history.loc[history.val_balanced_accuracy.idxmax()]
    if best.epoch != epoch:
        return differing(file, {"the best epoch": int(best.epoch)}, {"the best epoch": epoch})
    found = [metrics_of(labels, one) for one in moved_within(probabilities, [labels], MACHINES)]
    ends = {f"val_{name}": both for name, both in ends_of(found).items()}
    ends["val_loss"] = (0.99 * loss - MACHINES, 1.01 * loss + MACHINES)
    given = {f"{name} of {epoch}": best[name] for name in sorted(ends.keys() & {*history})}
    made = {name: np.clip(value, *ends[name.split()[0]]) for name, value in given.items()}
    return differing(file, given, made, ROUNDING)


def of_split(split: pd.DataFrame, metadata: pd.DataFrame) -> list[str]:
    """Lesions and diagnoses of the split are those of the metadata, for the same images."""
    columns = ["image_id", "lesion_id", "dx"]
    given, made = (cells(table[columns], ["image_id"]) for table in (split, metadata))
    return differing("split.csv", given, made)


def of_fingerprint(
    fingerprint: Values, index: pd.DataFrame, photographs: Iterable[Path]
) -> list[str]:
    """Counts and digest of fingerprint.json are those of the metadata, given with its lesion_group,
    and of the photographs' bytes; what decoding tells follows from these."""
    digests = [file_sha256(path) if path.is_file() else "missing" for path in photographs]
    made = counts(index) | {"sha256_of_all_images": digest_of_all(index.image_id, digests)}
    return differing(
        "fingerprint.json", {name: fingerprint.get(name, "missing") for name in made}, made
    )


def of_hair_pairs(pairs: Sequence[HairPair], data: LabelledImages, aspect: str) -> list[str]:
    """The photographs shown without hair are those of which images.npy was made."""
    rows = pd.Index(data.image_ids).get_indexer(pd.Index([pair.name for pair in pairs]))
    made = [resize(pair.after, data.images.shape[1], aspect) for pair in pairs]
    return [
        f"the picture of {pair.name} without hair is not the one in images.npy"
        for pair, row, image in zip(pairs, rows, made, strict=True)
        if np.abs(image - data.images[row].astype(np.float64)).mean() > DECODED_AGAIN
    ][:SHOWN]


def of_lr_range(
    curve: pd.DataFrame,
    suggestion: Mapping[str, float | None],
    *,
    lowest: float,
    highest: float,
    steps: int,
) -> list[str]:
    """The rates rise as the parameters say; all that follows from the losses is made again.

    The losses themselves are not, as that is a training.
    """
    file, rows = "lr_range/curve.csv", {"number of rows": len(curve)}
    if not 10 <= len(curve) <= steps:
        return differing(file, rows, {"number of rows": f"10 to {steps}"})
    made = Sweep.of_losses(np.geomspace(lowest, highest, steps), curve.loss.to_numpy())
    again = pd.DataFrame({"lr": made.lr, "smoothed_loss": made.smoothed_loss})
    old, new = (
        cells(table[[*again]].reset_index(names="step"), ["step"]) for table in (curve, again)
    )
    rates = {name: getattr(made, name)() for name in ("suggested_lr", "steepest_lr", "diverged_lr")}
    given = {name: suggestion[name] for name in rates if name in suggestion}
    return [
        *differing(file, old, new, 2 * RATE_ROUNDING, 1e-6),
        *differing("lr_range/suggestion.json", given, rates, rtol=1e-6),
    ]
