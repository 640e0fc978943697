"""Train: one network, on a GPU where there is one; the validation set chooses the epoch.

data/images.npy, data/split.csv  ->  models/model.safetensors   weights and all that is needed to
                                                                use them
                                     models/history.csv         a row an epoch
"""

import sys

from stages.exact import compute_exactly, device_of
from stages.harness.stage import Stage, run_stage


def work(stage: Stage) -> None:
    import pandas as pd
    import torch

    from harmonic.data.arrays import read_labelled_images
    from harmonic.data.classes import CLASSES
    from harmonic.learning.batches import channel_statistics
    from harmonic.learning.loop import train
    from harmonic.learning.model_file import Description, save_model
    from harmonic.learning.randomness import derived_seed
    from harmonic.learning.settings import Schedule, choose_device
    from stages.training import conv_of, network_options, recipe_of

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
    torch.manual_seed(derived_seed(params.seed))
    device = choose_device(device_of(params))
    trained = train(
        description.build(),
        training,
        data.part("val"),
        statistics,
        recipe_of(params),
        Schedule(params.epochs, params.lr, params.train.warmup, params.train.ema),
        device,
        stage.partial / "checkpoint.safetensors",
    )
    save_model(stage.writes.model, trained.state, description)
    history = pd.DataFrame(trained.history)
    history.to_csv(stage.writes.history, index=False, lineterminator="\n")
    stage.log["device"] = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    stage.log["images_per_second"] = round(trained.images_per_second, 1)
    stage.log["resumed_after_epoch"] = trained.resumed_after
    stage.log["threads"] = torch.get_num_threads()
    best = history[history.epoch == trained.best_epoch].iloc[0]
    print(
        f"train: {params.model}, epoch {trained.best_epoch} of {params.epochs} chosen, "
        f"balanced accuracy on validation {best.val_balanced_accuracy:.3f}"
    )


def main() -> int:
    return run_stage(
        "train",
        work,
        reads=["images", "split"],
        writes=["model", "history"],
        prepare=compute_exactly,
    )


if __name__ == "__main__":
    sys.exit(main())
