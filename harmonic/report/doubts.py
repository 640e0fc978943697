"""What of a run's files does not fit its answers, its network or its data."""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax
from torch import nn

from harmonic.data.arrays import LabelledImages, data_digest
from harmonic.data.lesions import known_pairs, lesion_groups
from harmonic.data.metadata import read_metadata
from harmonic.evaluation.bootstrap import natural_of
from harmonic.evaluation.rules import decision_rules
from harmonic.evaluation.scores import scores_of
from harmonic.learning.batches import predict_logits
from harmonic.learning.objective import make_loss
from harmonic.learning.settings import Averaging, Recipe, Schedule, Step
from harmonic.model_file.description import Description, calibration_of
from harmonic.report.agreement import (
    differing,
    of_answers,
    of_fingerprint,
    of_history,
    of_lr_range,
    of_scores,
    of_split,
)
from harmonic.report.contents import ReportContents
from harmonic.report.files import RunFiles
from harmonic.report.tables import whole_parameters

TRIED = 64
"""Test images, spread evenly over all, that the network is asked again."""
ASKED_AGAIN = 0.01
"""How far a probability may differ between processors and GPUs, whose convolutions may have ten
bits (TF32)."""


def doubts(
    contents: ReportContents,
    files: RunFiles,
    model: nn.Module,
    description: Description,
    data: LabelledImages,
    device: torch.device,
) -> list[str]:
    """What of the files does not fit the answers, the network or the data; see `agreement`."""
    params, answers = contents.params, contents.answers
    metadata = read_metadata(files.raw / "HAM10000_metadata.csv")
    if lines := of_split(contents.split, metadata):
        return lines  # nothing else can be told of other data
    groups = lesion_groups(metadata.image_id, metadata.lesion_id, known_pairs())
    index = metadata.assign(lesion_group=groups)
    trained_on = description.provenance.get("data")
    if trained_on not in (None, data_digest(files.images, files.split)):
        lines = ["split.csv and images.npy are not those that the model was trained on"]
    lines += of_params(params, description)
    lines += of_compression(contents.tables["compression"], model)
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
    of_validation, of_tried = (
        decision_rules(logits_of(images, calibration.views), **description.rule())[0]
        for images in (validation.images, test.images[tried])
    )
    model.to("cpu")
    answers = replace(answers, prior_exponent=calibration.prior_exponent)
    natural, asked = replace(answers, natural=None).by_natural_rule(), answers.at(tried)
    assert natural is not None  # as the class counts are known
    points = contents.tables["operating_points"].set_index(["target", "wanted_specificity"])
    made = scores_of(
        answers,
        validation.labels,
        of_validation,
        temperature=calibration.temperature,
        resamples=params["evaluate"]["resamples"],
        seed=params["evaluate"]["seed"],
        index=index.set_index("image_id").loc[test.image_ids],
        thresholds=pd.to_numeric(points.threshold, errors="coerce").to_dict(),
    )
    epoch = description.provenance.get("epoch")
    return [
        *lines,
        *of_scores(contents.metrics, contents.tables, made),
        *of_answers("predictions_natural.csv", answers, natural_of(answers), natural, 1e-6),
        *of_answers("predictions.csv", asked, asked.balanced, of_tried, ASKED_AGAIN),
        *of_history(
            contents.history,
            rates_of(params, len(training.labels)),
            epoch if isinstance(epoch, int) else None,
            validation.labels,
            softmax(one_view, axis=1),
            loss_of(params, description, validation.labels, one_view),
        ),
    ]


def of_compression(variants: pd.DataFrame, model: nn.Module) -> list[str]:
    """The variants are of a network of this size; their accuracy is not measured again."""
    name = "parameters of float32"
    found, made = whole_parameters(variants), sum(one.numel() for one in model.parameters())
    return differing("compression.csv", {name: found}, {name: made}, source="in the model file")


def of_params(params: Mapping[str, Any], description: Description) -> list[str]:
    """The parameters are those of the network, as far as its file says them."""
    train, calibration = params["train"], description.calibration
    both = {
        "model": (params["model"], "harmonic" if description.conv == "harmonic" else "cnn"),
        "seed": (params["seed"], description.provenance.get("seed", params["seed"])),
        "image_size": (params["image_size"], description.image_size),
        "resize.aspect": (params["resize"]["aspect"], description.aspect),
        "remove_hair.method": (params["remove_hair"]["method"], description.hair_method),
        "evaluate.views": (params["evaluate"]["views"], calibration and calibration.views),
        "train.network": (train["network"], description.network),
        "train.imbalance": (train["imbalance"], description.imbalance),
    }
    options = description.options.items()
    both |= {f"train.{name}": (train[name], value) for name, value in options if name in train}
    given, made = ({name: pair[side] for name, pair in both.items()} for side in (0, 1))
    return differing("params.yaml", given, made, source="in the model file")


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
