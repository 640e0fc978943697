"""Train: one network, on a GPU where there is one; the validation set chooses the epoch and
the temperature.

data/images.npy, data/split.csv  ->  models/model.safetensors   weights and all that is needed to
                                                                use them
                                     models/history.csv         a row an epoch
                                     models/first_batch.png     what the network sees first
"""

import sys

import numpy as np
import pandas as pd
import torch
from PIL import Image

from harmonic.data.arrays import data_digest, read_labelled_images
from harmonic.data.classes import CLASSES
from harmonic.evaluation.rules import fit_temperature
from harmonic.learning.batches import channel_statistics, predict_logits
from harmonic.learning.loop import train
from harmonic.learning.memory import peak_memory
from harmonic.learning.processes import joined
from harmonic.learning.randomness import derived_seed
from harmonic.learning.training_set import first_batch
from harmonic.model_file.description import Calibration, Description
from harmonic.model_file.safetensors_file import described_network, save_model
from stages.harness.exact import device_of
from stages.harness.follower import follow_stage, is_follower
from stages.harness.stage import Stage, run_stage
from stages.training import conv_of, network_options, recipe_of, schedule_of


def work(stage: Stage) -> None:
    params = stage.params
    data = read_labelled_images(stage.reads.images, stage.reads.split)
    training = data.part("train")
    statistics = channel_statistics(training.images)
    description = Description(
        network=params.train.network,
        conv=conv_of(params),
        options=network_options(params),
        classes=list(CLASSES),
        class_counts=training.class_counts().tolist(),
        imbalance=params.train.imbalance,
        image_size=params.image_size,
        aspect=params.resize.aspect,
        hair_method=params.remove_hair.method,
        mean=statistics.mean,
        std=statistics.std,
    )
    Image.fromarray(first_batch(training, recipe_of(params))).save(stage.writes.first_batch)
    torch.manual_seed(derived_seed(params.seed))
    with joined(device_of(params)) as processes:
        processes.check_same(int(stage.partial.name, 16) >> 4, "parameters, data or code")
        trained = train(
            described_network(description),
            training,
            data.part("val"),
            statistics,
            recipe_of(params),
            schedule_of(params),
            processes,
            stage.partial / "checkpoint.safetensors",
        )
        device = processes.device
        if not processes.leads:
            return
    network = described_network(description).to(device)
    network.load_state_dict(trained.state)
    validation, views = data.part("val"), params.evaluate.views
    logits = predict_logits(network, validation.images, statistics, device, view_count=views)
    temperature = fit_temperature(
        logits, validation.labels, np.array(description.class_counts), description.imbalance
    )
    calibration = Calibration(views=views, temperature=temperature)
    provenance = {
        "data": data_digest(stage.reads.images, stage.reads.split),
        "seed": params.seed,
        "epoch": trained.best_epoch,
    }
    made = {"calibration": calibration, "provenance": provenance}
    save_model(stage.writes.model, trained.state, description.model_copy(update=made))
    history = pd.DataFrame(trained.history)
    history.to_csv(stage.writes.history, index=False, lineterminator="\n")
    stage.log["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    stage.log["images_per_second"] = round(trained.images_per_second, 1)
    stage.log["processes"] = processes.count
    stage.log["peak_memory_bytes"] = peak_memory(device)
    stage.log["resumed_after_epoch"] = trained.resumed_after
    stage.log["threads"] = torch.get_num_threads()
    best = history[history.epoch == trained.best_epoch].iloc[0]
    print(
        f"train: {params.model}, epoch {trained.best_epoch} of {params.epochs} chosen, "
        f"balanced accuracy on validation {best.val_balanced_accuracy:.3f}"
    )


def main() -> int:
    run = follow_stage if is_follower() else run_stage
    outputs = ["model", "history", "first_batch"]
    reads = ["images", "split"]
    return run("train", work, reads=reads, writes=outputs)


if __name__ == "__main__":
    sys.exit(main())
