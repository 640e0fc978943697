"""What of a run's files does not fit its answers, its network or its data."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from harmonic.data.arrays import data_digest, read_labelled_images
from harmonic.data.classes import CLASSES
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.data.metadata import read_metadata
from harmonic.learning.batches import predict_logits
from harmonic.learning.settings import Averaging, Schedule
from harmonic.model_file.description import Description, calibration_of
from harmonic.report.agreement import Evidence, disagreements
from harmonic.report.agreement_of_data import of_fingerprint, of_lr_range, of_split
from harmonic.report.files import Probabilities, RunFiles, read_json


def doubts(
    files: RunFiles,
    params: Mapping[str, Any],
    model: nn.Module,
    description: Description,
    tables: Mapping[str, Any],
    split: pd.DataFrame,
    test: pd.DataFrame,
    balanced: Probabilities,
    natural: Probabilities,
) -> list[str]:
    """What of the files does not fit the answers, the network or the data; see `agreement`."""
    metadata = read_metadata(files.raw / "HAM10000_metadata.csv")
    if lines := of_split(split, metadata):
        return lines  # nothing else can be told of other data
    groups = lesion_groups(metadata.image_id, metadata.lesion_id, known_pairs())
    trained_on = description.provenance.get("data")
    if trained_on not in (None, data_digest(files.images, files.split)):
        lines = ["split.csv and images.npy are not those that the model was trained on"]
    lines += of_fingerprint(read_json(files.fingerprint), metadata.assign(lesion_group=groups))
    lines += of_lr_range(
        pd.read_csv(files.lr_range / "curve.csv"),
        read_json(files.lr_range / "suggestion.json"),
        lowest=params["find_lr"]["lowest"],
        highest=params["find_lr"]["highest"],
        steps=params["find_lr"]["steps"],
    )
    index = metadata.assign(lesion_group=groups).set_index("image_id")
    index = index.loc[test.index]
    validation = read_labelled_images(files.images, files.split).part("val")
    calibration = calibration_of(description, str(files.model))
    gpu = params["device"] != "cpu" and torch.cuda.is_available()
    device = torch.device("cuda" if gpu else "cpu")
    with torch.no_grad():
        one_view, averaged = (
            predict_logits(
                model.to(device),
                validation.images,
                description.statistics(),
                device,
                view_count=count,
                progress="report: val",
            )
            for count in (1, calibration.views)
        )
    model.to("cpu")
    epoch = description.provenance.get("epoch")
    evidence = Evidence(
        labels=index.dx.map(CLASSES.index).to_numpy(dtype=np.int64),
        lesions=index.lesion_group.to_numpy(dtype=str),
        balanced=balanced,
        natural=natural,
        index=index,
        class_counts=np.array(description.class_counts),
        imbalance=description.imbalance,
        temperature=calibration.temperature,
        rates=rates_of(params, int((split.split == "train").sum())),
        epoch=epoch if isinstance(epoch, int) else None,
        val_labels=validation.labels,
        val_logits=averaged,
        val_logits_one_view=one_view,
        resamples=params["evaluate"]["resamples"],
        seed=params["evaluate"]["seed"],
    )
    return [*lines, *disagreements(evidence, **tables)]


def rates_of(params: Mapping[str, Any], images: int) -> list[float]:
    """The learning rate of the last step of each epoch, as training on so many images has it."""
    averaging = {name: params["train"][name] for name in Averaging.model_fields}
    schedule = Schedule(epochs=params["epochs"], lr=params["lr"], **averaging)
    an_epoch = math.ceil(images / params["batch_size"])
    ends = range(an_epoch - 1, an_epoch * schedule.epochs, an_epoch)
    return [schedule.rate_at(step, an_epoch * schedule.epochs) for step in ends]
