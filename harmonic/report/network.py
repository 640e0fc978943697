"""What the report shows of the network itself: its kernels, and where it was surest."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from harmonic.data.arrays import LabelledImages
from harmonic.data.classes import CLASSES
from harmonic.learning.batches import as_images, normaliser
from harmonic.model_file.description import Description
from harmonic.nn.attribution import grad_cam
from harmonic.nn.filters import filter_bank
from harmonic.nn.surgery import fold
from harmonic.report.contents import Case

MISTAKES = 8


def layer_spectra(model: nn.Module) -> dict[str, NDArray[np.float64]]:
    """Mean energy of each DCT frequency, layer by layer: name -> float64 (kh, kw).

    Entry (u, v) is the mean over all pairs of channels of the squared coefficient of the
    orthonormal filter with row frequency u and column frequency v. The network is folded first
    (eval mode), so harmonic layers of any norm and plain convolutions are measured alike; layers
    with 1 x 1 kernels have one frequency and are left out.
    """
    spectra = {}
    for name, kernel in spatial_kernels(model):
        bank = filter_bank((kernel.shape[2], kernel.shape[3]))  # row-major in (u, v)
        coefficients = torch.einsum("oixy,fxy->oif", kernel, bank)
        energy = coefficients.square().mean(dim=(0, 1))
        spectra[name] = energy.reshape(kernel.shape[2:]).numpy()
    return spectra


def first_kernels(model: nn.Module) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Of the layer that sees the image: kernels (n, 3, k, k), and the fixed filters (F, k, k)."""
    kernel = next(kernel for _, kernel in spatial_kernels(model) if kernel.shape[1] == 3)
    return kernel.numpy(), filter_bank((kernel.shape[2], kernel.shape[3])).numpy()


def spatial_kernels(model: nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and kernels, float64 on the CPU, of every convolution that is larger than 1 x 1."""
    for name, layer in fold(model.eval()).named_modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
            yield name, layer.weight.detach().double().cpu()


def confident_mistakes(
    labels: NDArray[np.int64], lesions: NDArray[np.str_], probabilities: NDArray[np.float64]
) -> list[int]:
    """Rows of the MISTAKES most confident wrong answers, one per lesion, the surest first."""
    by_lesion: dict[str, int] = {}
    for row in np.argsort(-probabilities.max(axis=1), kind="stable").tolist():
        if probabilities[row].argmax() != labels[row]:
            by_lesion.setdefault(str(lesions[row]), row)
    return list(by_lesion.values())[:MISTAKES]


def confident_hits(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> list[int]:
    """The row of the most confident right answer of each class that has one."""
    answers, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    found = (
        np.flatnonzero((labels == label) & (answers == label)) for label in range(len(CLASSES))
    )
    return [int(right[confidence[right].argmax()]) for right in found if len(right)]


def confident_cases(
    model: nn.Module, description: Description, test: LabelledImages, natural: NDArray[np.float64]
) -> list[Case]:
    """The surest mistakes and, of each class, the surest right answer, with their evidence."""
    rows = confident_mistakes(test.labels, test.groups, natural)
    rows += confident_hits(test.labels, natural)
    normalise = normaliser(model, description.statistics(), torch.device("cpu"))
    inputs = normalise(as_images(torch.from_numpy(test.images[rows])))
    truths, answers = test.labels[rows], natural[rows].argmax(axis=1)
    for_answer = grad_cam(model, inputs, torch.from_numpy(answers)).numpy()
    for_truth = grad_cam(model, inputs, torch.from_numpy(truths)).numpy()
    return [
        Case(
            name=str(test.image_ids[row]),
            truth=CLASSES[truth],
            answer=CLASSES[answer],
            confidence=float(natural[row].max()),
            image=test.images[row],
            heats=[for_answer[n]] if truth == answer else [for_answer[n], for_truth[n]],
        )
        for n, (row, truth, answer) in enumerate(zip(rows, truths, answers, strict=True))
    ]
