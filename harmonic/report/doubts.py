"""What of a run's files does not fit its answers, its network or its data."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from harmonic.data.arrays import LabelledImages, data_digest
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.data.metadata import read_metadata
from harmonic.learning.batches import predict_logits
from harmonic.learning.objective import make_loss
from harmonic.learning.settings import Averaging, Recipe, Schedule, Step
from harmonic.model_file.description import Description, calibration_of
from harmonic.report.agreement import Evidence, disagreements
from harmonic.report.agreement_of_data import of_fingerprint, of_lr_range, of_split
from harmonic.report.contents import ReportContents
from harmonic.report.files import RunFiles

TRIED = 64
"""Test images, spread evenly over all, that the network is asked again."""


def doubts(
    contents: ReportContents,
    files: RunFiles,
    model: nn.Module,
    description: Description,
    data: LabelledImages,
    device: torch.device,
) -> list[str]:
    """What of the files does not fit the answers, the network or the data; see `agreement`."""
    params, given = contents.params, contents.predictions
    metadata = read_metadata(files.raw / "HAM10000_metadata.csv")
    if lines := of_split(contents.split, metadata):
        return lines  # nothing else can be told of other data
    groups = lesion_groups(metadata.image_id, metadata.lesion_id, known_pairs())
    index = metadata.assign(lesion_group=groups)
    trained_on = description.provenance.get("data")
    if trained_on not in (None, data_digest(files.images, files.split)):
        lines = ["split.csv and images.npy are not those that the model was trained on"]
    lines += of_fingerprint(contents.fingerprint, index)
    lines += of_lr_range(contents.lr_curve, contents.lr_suggestion, **params["find_lr"])

    training, validation, test = (data.part(name) for name in ("train", "val", "test"))
    calibration = calibration_of(description, str(files.model))
    tried = np.unique(np.linspace(0, len(test.labels) - 1, TRIED).round().astype(np.int64))
    model.to(device)

    def logits_of(pixels: np.ndarray, views: int) -> np.ndarray:
        statistics = description.statistics()
        return predict_logits(
            model, pixels, statistics, device, view_count=views, progress="report: network"
        )

    one_view = logits_of(validation.images, 1)
    epoch = description.provenance.get("epoch")
    evidence = Evidence(
        labels=given.labels,
        lesions=test.groups,
        balanced=given.balanced,
        natural=given.natural,
        index=index.set_index("image_id").loc[test.image_ids],
        class_counts=np.array(description.class_counts),
        imbalance=description.imbalance,
        temperature=calibration.temperature,
        rates=rates_of(params, len(training.labels)),
        epoch=epoch if isinstance(epoch, int) else None,
        tried=tried,
        tried_logits=logits_of(test.images[tried], calibration.views),
        val_labels=validation.labels,
        val_logits=logits_of(validation.images, calibration.views),
        val_logits_one_view=one_view,
        val_loss=loss_of(params, description, validation.labels, one_view),
        resamples=params["evaluate"]["resamples"],
        seed=params["evaluate"]["seed"],
    )
    model.to("cpu")
    return [*lines, *disagreements(evidence, contents.metrics, contents.history, contents.tables)]


def loss_of(
    params: Mapping[str, Any], description: Description, labels: np.ndarray, logits: np.ndarray
) -> float:
    """The loss that training had on the validation set."""
    step = {name: params["train"][name] for name in Step.model_fields if name in params["train"]}
    recipe = Recipe(seed=params["seed"], batch_size=params["batch_size"], **step)
    loss = make_loss(torch.tensor(description.class_counts), recipe)
    targets = torch.eye(logits.shape[1], dtype=torch.float64)[torch.from_numpy(labels)]
    return float(loss(torch.from_numpy(logits), targets))


def rates_of(params: Mapping[str, Any], images: int) -> list[float]:
    """The learning rate of the last step of each epoch, as training on so many images has it."""
    averaging = {name: params["train"][name] for name in Averaging.model_fields}
    schedule = Schedule(epochs=params["epochs"], lr=params["lr"], **averaging)
    an_epoch = math.ceil(images / params["batch_size"])
    ends = range(an_epoch - 1, an_epoch * schedule.epochs, an_epoch)
    return [schedule.rate_at(step, an_epoch * schedule.epochs) for step in ends]
