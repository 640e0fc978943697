"""Which test images to look at: where the network was surest, right and wrong."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from harmonic.data.classes import CLASSES
from harmonic.learning.batches import as_images, normalised
from harmonic.learning.device import memory_format_for
from harmonic.model_file.description import Description
from harmonic.nn.attribution import grad_cam
from harmonic.report.contents import Case

MISTAKES = 8


def confident_mistakes(
    labels: NDArray[np.int64],
    lesions: Sequence[str] | NDArray,
    probabilities: NDArray[np.float64],
    count: int,
) -> list[int]:
    """Rows of the `count` most confident wrong answers, one a lesion, the surest first."""
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    rows: list[int] = []
    seen: set[str] = set()
    for row in np.argsort(-confidence, kind="stable").tolist():
        lesion = str(lesions[row])
        if answers[row] != labels[row] and lesion not in seen and len(rows) < count:
            seen.add(lesion)
            rows.append(row)
    return rows


def confident_hits(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> list[int]:
    """The row of the most confident right answer of each class that has one."""
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    rows = []
    for label in range(len(CLASSES)):
        right = np.flatnonzero((labels == label) & (answers == label))
        if len(right):
            rows.append(int(right[confidence[right].argmax()]))
    return rows


def confident_cases(
    model: nn.Module,
    description: Description,
    images: Path,
    split: pd.DataFrame,
    test: pd.DataFrame,
    labels: NDArray[np.int64],
    natural: NDArray[np.float64],
) -> list[Case]:
    """The surest mistakes and, of each class, the surest right answer, with their evidence."""
    rows = confident_mistakes(labels, test.lesion_id.to_numpy(), natural, MISTAKES)
    rows += confident_hits(labels, natural)
    if not rows:
        return []
    array = np.load(images, mmap_mode="r", allow_pickle=False)
    places = split.index[split.image_id.isin(test.index[rows])]
    place_of = dict(zip(split.image_id[places], places, strict=True))
    pixels = np.stack([array[place_of[image_id]] for image_id in test.index[rows]])
    inputs = normalised(
        as_images(torch.from_numpy(pixels)),
        description.statistics(),
        memory_format_for(model, torch.device("cpu")),
    )
    answers = natural.argmax(axis=1)
    for_answer = grad_cam(model, inputs, torch.from_numpy(answers[rows])).numpy()
    for_truth = grad_cam(model, inputs, torch.from_numpy(labels[rows])).numpy()
    return [
        Case(
            name=test.index[row],
            truth=CLASSES[labels[row]],
            answer=CLASSES[answers[row]],
            confidence=float(natural[row].max()),
            image=pixels[number],
            for_answer=for_answer[number],
            for_truth=None if answers[row] == labels[row] else for_truth[number],
        )
        for number, row in enumerate(rows)
    ]
