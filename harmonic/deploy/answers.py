"""Answers for photographs, a row each; what cannot be read has its row too."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harmonic.deploy.inputs import Source
from harmonic.deploy.predictor import Predictor
from harmonic.errors import InputError
from harmonic.evaluation.rules import decision_rules
from harmonic.images.hair import METHODS
from harmonic.images.prepare import prepared

BATCH = 32
MOST_THREADS = 8
"""That prepare images, each with up to 300 MB of its own while it removes hair."""


@dataclass(frozen=True)
class Answer:
    """Probabilities for one image, or the one line that says why there are none."""

    image: str
    error: str = ""
    probabilities: dict[str, float] | None = None
    """Calibrated, under the natural rule: classes as frequent as among the training images."""
    balanced_probabilities: dict[str, float] | None = None
    """All classes equally frequent."""
    prepared: NDArray[np.uint8] | None = None
    """What the network saw, uint8 (size, size, 3)."""

    @property
    def prediction(self) -> str:
        """The most probable class, by lower-case name; empty where there is an error."""
        found = self.probabilities or {"": 0.0}
        return max(found, key=found.__getitem__)

    def document(self) -> dict[str, Any]:
        """As `--json` prints it."""
        if self.error:
            return {"image": self.image, "error": self.error}
        return {
            "image": self.image,
            "prediction": self.prediction,
            "probabilities": self.probabilities,
            "balanced_probabilities": self.balanced_probabilities,
        }


def answers(
    predictor: Predictor, sources: Sequence[Source], *, hair_method: str | None = None
) -> Iterator[Answer]:
    """An answer for every source, in order.

    hair_method: instead of the one the network was trained with.
    Raises InputError for a method that does not exist.
    """
    description = predictor.description
    method = description.hair_method if hair_method is None else hair_method
    if method not in METHODS:
        raise InputError(f"hair removal method {method!r}; allowed are {', '.join(METHODS)}")

    def prepare(source: Source) -> NDArray[np.uint8] | InputError:
        try:
            return prepared(
                source.read(),
                hair_method=method,
                size=description.image_size,
                aspect=description.aspect,
            )
        except InputError as error:
            return error
        except MemoryError:
            return InputError(f"image {source.name}: too large for this machine's memory")

    with ThreadPoolExecutor(min(MOST_THREADS, os.cpu_count() or 1)) as threads:
        for start in range(0, len(sources), BATCH):
            batch = sources[start : start + BATCH]
            yield from answered(predictor, batch, list(threads.map(prepare, batch)))


def answered(
    predictor: Predictor,
    sources: Sequence[Source],
    images: Sequence[NDArray[np.uint8] | InputError],
) -> Iterator[Answer]:
    """The answers for the prepared images of some sources, and why others have none."""
    description = predictor.description
    whole = [image for image in images if not isinstance(image, InputError)]
    rows: Iterator[tuple[NDArray[np.float64], ...]] = iter(())
    if whole:
        rules = decision_rules(predictor.logits(np.stack(whole)), **description.rule())
        rows = zip(*rules, strict=True)
    for source, image in zip(sources, images, strict=True):
        if isinstance(image, InputError):
            reason = " ".join(str(image).split()).removeprefix(f"image {source.name}: ")
            yield Answer(source.name, error=reason)
        else:
            balanced, natural = (
                dict(zip(description.classes, map(float, row), strict=True)) for row in next(rows)
            )
            yield Answer(source.name, "", natural, balanced, image)
