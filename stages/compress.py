"""Compress: the trained network made smaller in every way, and what each costs on the test set.

models/model.safetensors,  ->  reports/compression.csv   a row a variant: bytes, parameters,
data/images.npy,                                         multiply-adds, balanced accuracy
data/split.csv                 reports/compression.svg   accuracy over bytes

Images are seen as they are, not in all flips and turns, so that every variant is quick to judge:
the float32 row may differ from reports/metrics.json. Latency is in logs/compress.json.
"""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn
from tqdm import tqdm

from harmonic.data.arrays import data_digest, read_labelled_images
from harmonic.deploy.compression import (
    accuracy_over_bytes,
    as_table,
    balanced_choice,
    scores_of_choice,
    table_row,
)
from harmonic.deploy.export import export_onnx
from harmonic.deploy.predictor import OnnxPredictor, milliseconds
from harmonic.deploy.variants import multiply_adds, outputs, parameters, variants
from harmonic.learning.device import choose_device
from harmonic.learning.fit import fine_tune
from harmonic.model_file.description import check_data
from harmonic.model_file.safetensors_file import load_model
from stages.harness.exact import device_of
from stages.harness.stage import Stage, run_stage
from stages.training import recipe_of

ALIKE = 0.01
"""How much balanced accuracy a smaller file may lose to be named as the smallest that will do."""


def work(stage: Stage) -> None:
    params, settings = stage.params, stage.params.compress
    model, description = load_model(stage.reads.model)
    digest = data_digest(stage.reads.images, stage.reads.split)
    check_data(description, digest, str(stage.reads.model))
    data = read_labelled_images(stage.reads.images, stage.reads.split)
    training, validation, test = (data.part(name) for name in ("train", "val", "test"))
    device = choose_device(device_of(params))

    def tune(changed: nn.Module, name: str) -> nn.Module:
        checkpoint = stage.partial / f"{name.replace(' ', '-')}.checkpoint.safetensors"
        return fine_tune(
            changed, training, validation, description.statistics(), recipe_of(params),
            epochs=settings.epochs, lr=settings.lr, device=device, checkpoint=checkpoint,
        )  # fmt: skip

    rows: list[dict[str, Any]] = []
    reference = None
    operations = multiply_adds(model, description.image_size)
    with scratch(stage.partial / "variants") as folder:
        made = variants(
            model,
            description,
            folder,
            training.images[: settings.calibration_images],
            tune if settings.epochs else None,
            settings.epochs,
        )
        for variant in (bar := tqdm(made, desc="compress", unit=" variants", disable=None)):
            bar.set_description_str(f"compress: {variant.weights}")
            logits = outputs(variant, test.images, device, view_count=1)
            chosen = balanced_choice(logits, description.class_counts, description.imbalance)
            scores = scores_of_choice(
                test.labels, test.groups, chosen, resamples=settings.resamples, seed=settings.seed
            )
            reference = reference or scores
            rows.append(
                {
                    "model": params.model,
                    "weights": variant.weights,
                    "epochs": variant.epochs,
                    "bytes": variant.path.stat().st_size,
                    "parameters": parameters(variant, model),
                    "multiply_adds": operations,
                    **table_row(scores, reference),
                }
            )
        export_onnx(model, description, folder / "float32.onnx", {})
        files = {path.stem: OnnxPredictor(path) for path in sorted(folder.glob("*.onnx"))}
        stage.log["milliseconds_by_batch"] = {
            str(batch): milliseconds(files, batch, rounds) for batch, rounds in ((1, 50), (64, 5))
        }
    table = as_table(rows)
    table.to_csv(stage.writes.compression, index=False, lineterminator="\n")
    stage.writes.plot.write_bytes(accuracy_over_bytes(table))
    alike = table[table.balanced_accuracy >= table.balanced_accuracy[0] - ALIKE]
    smallest = alike.loc[alike.bytes.idxmin()]
    print(
        f"compress: {len(table)} variants of {table.bytes[0]} bytes; the smallest that is at most "
        f"{ALIKE:g} worse: {smallest.weights}, {smallest.bytes} bytes"
    )


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """An empty folder, also for what ONNX Runtime's quantiser writes; a kill leaves it to DVC's
    next run, which works in the same place, and nothing elsewhere."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = None
        shutil.rmtree(folder)


READS = ["model", "images", "split"]
main = partial(run_stage, "compress", work, reads=READS, writes=["compression", "plot"])

if __name__ == "__main__":
    sys.exit(main())
